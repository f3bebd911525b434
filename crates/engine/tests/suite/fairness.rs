//! Requests beside one another: prompts that wait for what another computes, prompts beside those
//! who write, clients that take turns, and those who give up their places.

use std::time::{Duration, Instant};

use engine::{
    Client, Engine, Event, FinishReason, Request, RequestId, SamplingParams, Speculation,
};
use scripted_runner::{Limits, ScriptedRunner, Vocabulary, only};

use crate::outcome::{Answer, Outcomes, greedy, run, run_all, run_at};
use crate::tiny::{SIZE, Size, engine, models, request, text};

/// An engine over a script that never ends a turn.
fn endless(limits: Limits) -> Engine {
    let vocabulary = Vocabulary::new(&["x"]);
    let (n_vocab, x) = (vocabulary.n_vocab(), vocabulary.word("x"));
    let runner =
        ScriptedRunner::new(Limits { n_vocab, ..limits }, move |_: &[u32]| only(x, n_vocab));
    Engine::new(Box::new(runner), vocabulary.tokenizer())
}

const LIMITS: Limits = Limits { n_vocab: 0, n_ctx: 1024, n_positions_max: 8192, n_tokens_max: 256 };

fn submit(engine: &mut Engine, request: Request) -> RequestId {
    engine.submit(request).expect("a request that is in range")
}

/// The steps in which each request came to its first token.
fn first_tokens(engine: &mut Engine, ids: &[RequestId]) -> Vec<usize> {
    let mut steps = vec![0; ids.len()];
    for step in 1.. {
        for event in engine.step() {
            if let Event::Token { id, .. } = event {
                let idx = ids.iter().position(|other| *other == id).expect("one of them");
                if steps[idx] == 0 {
                    steps[idx] = step;
                }
            }
        }
        if engine.is_idle() {
            break;
        }
    }
    steps
}

#[test]
fn a_long_prompt_beside_one_who_writes_is_read_in_small_chunks() {
    let mut engine = endless(LIMITS);
    engine.set_n_tokens_beside(16);
    let speculation = Speculation::Off;
    let writer = Request { n_tokens_max: Some(100), speculation, ..greedy(&[1]) };
    let writer = submit(&mut engine, writer);
    engine.step();
    let reader = submit(&mut engine, Request { n_tokens_max: Some(1), ..greedy(&[5; 1000]) });
    let mut n_before = 0;
    for _ in 0..1000 / 16 {
        let events = engine.step();
        let wrote = |event: &Event| matches!(event, Event::Token { id, .. } if *id == writer);
        assert!(events.iter().any(wrote), "whoever writes does so in every step");
        for event in events {
            if let Event::Progress { id, n_computed, .. } = event {
                assert_eq!((id, n_computed - n_before), (reader, 16));
                n_before = n_computed;
            }
        }
    }
    assert_eq!(n_before, 992);
}

#[test]
fn two_long_prompts_are_read_alike_and_a_short_one_passes() {
    let mut engine = endless(LIMITS);
    let prompts = [vec![5; 1000], vec![6; 1000], vec![7; 50]];
    let ids = prompts
        .map(|prompt| submit(&mut engine, Request { n_tokens_max: Some(1), ..greedy(&prompt) }));
    assert_eq!(first_tokens(&mut engine, &ids), [9, 9, 1]);
}

#[test]
fn nobody_waits_for_another_clients_tenth_request() {
    let mut engine = endless(LIMITS);
    let of = |client, seed| Request {
        client: Client(client),
        n_tokens_max: Some(1),
        ..greedy(&[seed; 1000])
    };
    let mut ids: Vec<_> = (10..20).map(|seed| submit(&mut engine, of(1, seed))).collect();
    ids.push(submit(&mut engine, of(2, 20)));
    let steps = first_tokens(&mut engine, &ids);
    assert_eq!(steps[10], 8, "half of the steps' tokens: 1000 of 128 a step");
    assert!(steps[..10].iter().all(|&step| step > 8), "{steps:?}");
}

#[test]
fn whoever_has_a_turn_first_has_room_first() {
    // Room for two of them.
    let mut engine = endless(Limits { n_positions_max: 256, n_ctx: 128, ..LIMITS });
    let of = |client, seed| Request {
        client: Client(client),
        n_tokens_max: Some(20),
        ..greedy(&[seed; 100])
    };
    let ids = [of(1, 5), of(1, 6), of(1, 7), of(2, 8)].map(|r| submit(&mut engine, r));
    let steps = first_tokens(&mut engine, &ids);
    assert!(steps[3] < steps[1].min(steps[2]), "{steps:?}");
}

/// Requests as they come together: what they share is computed once, and answers are as alone.
#[test]
fn what_prompts_share_is_computed_once() {
    for loaded in models() {
        let prompt = text(7, 150);
        let with_end = |n_shared: usize, seed: u64| Request {
            prompt: [&prompt[..n_shared], &text(seed, 9)].concat(),
            ..request(seed, 0, 12)
        };
        let requests = [with_end(150, 1), with_end(150, 2), with_end(100, 3), with_end(10, 4)];
        let expected: Vec<Answer> = requests
            .iter()
            .map(|request| run(&mut engine(&loaded, SIZE), request).answer)
            .collect();
        let outcomes = run_all(&mut engine(&loaded, SIZE), &requests);
        let answers: Vec<Answer> = outcomes.iter().map(|outcome| outcome.answer.clone()).collect();
        assert!(answers == expected);
        let reused: Vec<_> = outcomes.iter().map(|outcome| outcome.usage.reuse.n_reused).collect();
        // Ten tokens are not worth a wait; nothing of them is cached when the last one begins.
        assert_eq!(reused, [0, 150, 100, 0]);
    }
}

#[test]
fn samples_of_one_prompt_are_those_of_requests_with_their_seeds() {
    for loaded in models() {
        let base = Request { prompt: text(3, 120), ..request(9, 0, 15) };
        let samples = [0, 1, 2, 3].map(|sample_idx| base.sample(sample_idx));
        let outcomes = run_all(&mut engine(&loaded, SIZE), &samples);
        for (outcome, seed) in outcomes.iter().zip(9..) {
            let sampling = SamplingParams { seed, ..base.sampling.clone() };
            let alone = Request { sampling, ..base.clone() };
            assert_eq!(outcome.answer, run(&mut engine(&loaded, SIZE), &alone).answer);
        }
        let n_computed: usize = outcomes.iter().map(|o| o.usage.n_prefilled()).sum();
        assert_eq!(n_computed, 120 + 3, "each of the others computes the last token alone");
        assert_ne!(outcomes[0].answer.ids, outcomes[1].answer.ids);
    }
}

/// Eight blocks: five of the prompt, the last of which each of the others has a copy of.
#[test]
fn samples_that_fit_together_run_together() {
    let mut engine = endless(Limits { n_positions_max: 512, ..LIMITS });
    let base =
        Request { n_tokens_max: Some(10), speculation: Speculation::Off, ..greedy(&[5; 300]) };
    for sample_idx in 0..4 {
        // Whoever asks.
        submit(&mut engine, Request { client: Client(sample_idx), ..base.sample(sample_idx) });
    }
    let mut outcomes = Outcomes::default();
    for n_running in [1, 1, 4] {
        outcomes.step(&mut engine);
        assert_eq!(engine.n_running(), n_running);
    }
    while !engine.is_idle() {
        outcomes.step(&mut engine);
    }
    let counts =
        |outcome: crate::outcome::Outcome| (outcome.usage.n_prefilled(), outcome.usage.n_preempted);
    let counts: Vec<_> = outcomes.all().into_iter().map(counts).collect();
    assert_eq!(counts, [(300, 0), (1, 0), (1, 0), (1, 0)]);
}

#[test]
fn a_follower_goes_on_alone_when_its_leader_is_cancelled() {
    let [loaded, ..] = models();
    let mut engine = engine(&loaded, SIZE);
    let [first, second] =
        [1, 2].map(|seed| Request { prompt: text(7, 150), ..request(seed, 0, 5) });
    let leader = submit(&mut engine, first);
    let follower = submit(&mut engine, second.clone());
    let mut outcomes = Outcomes::default();
    outcomes.step(&mut engine);
    assert_eq!((engine.n_running(), engine.n_waiting()), (1, 1));
    engine.cancel(leader);
    while !engine.is_idle() {
        outcomes.step(&mut engine);
    }
    let found = outcomes.get(follower);
    assert_eq!(found.usage.reuse.n_reused, 32, "what was computed by then");
    let alone = run(&mut crate::tiny::engine(&loaded, SIZE), &second);
    assert_eq!(found.answer, alone.answer);
}

/// Any order of arrival, any chunks, any pressure: the same answers.
#[test]
fn preempted_and_resumed_equals_alone() {
    let requests: Vec<Request> = (0..12)
        .map(|i| Request {
            client: Client(i % 3),
            // Some share a beginning.
            prompt: [text(i % 2, 70), text(i, 3 + 5 * i as usize)].concat(),
            ..request(i, 0, 40)
        })
        .collect();
    for loaded in models() {
        let alone: Vec<Answer> = requests
            .iter()
            .map(|request| run(&mut engine(&loaded, SIZE), request).answer)
            .collect();
        let mut n_preempted = 0;
        for (n_positions_max, n_tokens_max, n_beside) in
            [(256, 32, 32), (384, 16, 5), (512, 64, 1), (2048, 128, 16)]
        {
            for stride in [0, 3, 11] {
                let at: Vec<_> = requests
                    .iter()
                    .enumerate()
                    .map(|(i, request)| (i * stride % 40, request.clone()))
                    .collect();
                let mut engine = engine(&loaded, Size { n_positions_max, n_tokens_max, ..SIZE });
                engine.set_n_tokens_beside(n_beside);
                let outcomes = run_at(&mut engine, &at);
                for (outcome, alone) in outcomes.iter().zip(&alone) {
                    assert!(outcome.answer == *alone, "{n_positions_max} {n_tokens_max} {stride}");
                    n_preempted += outcome.usage.n_preempted;
                }
            }
        }
        assert!(n_preempted > 10, "no pressure: {n_preempted}");
    }
}

#[test]
fn a_deadline_ends_an_answer_with_what_it_has() {
    let vocabulary = Vocabulary::new(&["x"]);
    let (n_vocab, x) = (vocabulary.n_vocab(), vocabulary.word("x"));
    let deadline = Instant::now() + Duration::from_secs(1);
    // The sixth token takes until then.
    let runner = ScriptedRunner::new(Limits { n_vocab, ..LIMITS }, move |tokens: &[u32]| {
        while tokens.len() == 6 && Instant::now() < deadline {
            std::hint::spin_loop();
        }
        only(x, n_vocab)
    });
    let mut engine = Engine::new(Box::new(runner), vocabulary.tokenizer());
    let speculation = Speculation::Off;
    let late = Request { deadline: Some(deadline), speculation, ..greedy(&[1]) };
    let answer = run(&mut engine, &late).answer;
    assert_eq!(answer.end, Some(Ok(FinishReason::TimedOut)));
    assert_eq!(answer.text(), "xxxxxx");
    // One that is late from the start is not begun.
    let outcome = run(&mut engine, &late);
    assert_eq!(outcome.answer.end, Some(Ok(FinishReason::TimedOut)));
    assert!(outcome.answer.ids.is_empty());
}

#[test]
fn stop_ids_end_an_answer_and_are_no_part_of_it() {
    let vocabulary = Vocabulary::new(&["x", "y"]);
    let (n_vocab, ids) = (vocabulary.n_vocab(), vocabulary.words(&["x", "y"]));
    let [x, y] = ids[..] else { unreachable!() };
    // Every third token is the one that ends.
    let script = move |tokens: &[u32]| {
        let mut logits = only(x, n_vocab);
        logits[y as usize] = if tokens.len().is_multiple_of(3) { 1.0 } else { -1.0 };
        logits
    };
    let mut engine = Engine::new(
        Box::new(ScriptedRunner::new(Limits { n_vocab, ..LIMITS }, script)),
        vocabulary.tokenizer(),
    );
    let mut check = |n_tokens_min, expected: &str| {
        let stop_ids = vec![y];
        let request = Request { stop_ids, n_tokens_min, n_tokens_max: Some(9), ..greedy(&[1]) };
        let answer = run(&mut engine, &request).answer;
        assert_eq!((answer.text(), answer.end), (expected.into(), Some(Ok(FinishReason::Stop))));
    };
    check(0, "xx");
    check(3, "xxxxx");
}
