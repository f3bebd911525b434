//! Requests that nobody wants any more: they end within a step and leave nothing behind.

use engine::sampler::uniform;
use engine::{Engine, FinishReason, Request, RequestId, Speculation};
use scripted_runner::{Limits, ScriptedRunner, Vocabulary, only};

use crate::outcome::{Outcomes, greedy, run};

const LIMITS: Limits = Limits { n_vocab: 0, n_ctx: 128, n_positions_max: 128, n_tokens_max: 8 };
const CANCELLED: Option<Result<FinishReason, engine::Error>> = Some(Ok(FinishReason::Cancelled));

/// Says the same word until the context is full; room for one whole context.
fn engine() -> Engine {
    let vocabulary = Vocabulary::new(&["x"]);
    let (n_vocab, x) = (vocabulary.n_vocab(), vocabulary.word("x"));
    let script = move |_: &[u32]| only(x, n_vocab);
    let runner = ScriptedRunner::new(Limits { n_vocab, ..LIMITS }, script);
    Engine::new(Box::new(runner), vocabulary.tokenizer())
}

/// One token a step.
fn slow(prompt: &[u32]) -> Request {
    Request { speculation: Speculation::Off, ..greedy(prompt) }
}

fn submit(engine: &mut Engine, request: &Request) -> RequestId {
    engine.submit(request.clone()).expect("a request that is in range")
}

/// Cancels after `n_steps` and expects the end in the next one.
fn check_cancel(prompt: &[u32], n_steps: usize, n_tokens: usize) {
    let (mut engine, mut outcomes) = (engine(), Outcomes::default());
    let id = submit(&mut engine, &slow(prompt));
    for _ in 0..n_steps {
        outcomes.step(&mut engine);
    }
    engine.cancel(id);
    outcomes.step(&mut engine);
    assert!(engine.is_idle());
    let answer = &outcomes.get(id).answer;
    assert_eq!((answer.end.clone(), answer.ids.len()), (CANCELLED, n_tokens));
    assert_eq!(answer.text(), "x".repeat(n_tokens));
    engine.cancel(id);
    assert_eq!(engine.step(), []);
}

#[test]
fn k17_a_cancelled_request_is_gone_after_one_step() {
    check_cancel(&[1], 5, 5);
    check_cancel(&[1], 0, 0);
    // In the middle of its prompt.
    check_cancel(&[1; 30], 2, 0);
}

#[test]
fn k17_a_request_cancelled_in_the_queue_never_starts() {
    let (mut engine, mut outcomes) = (engine(), Outcomes::default());
    let first = submit(&mut engine, &slow(&[1, 2]));
    let [queued, last] = [&[7; 9], &[8; 9]].map(|prompt| submit(&mut engine, &greedy(prompt)));
    outcomes.step(&mut engine);
    let n_bytes = engine.runner().kv().used_bytes();
    engine.cancel(queued);
    outcomes.step(&mut engine);
    assert_eq!(outcomes.get(queued).answer.end, CANCELLED);
    assert_eq!(outcomes.get(queued).usage.prefill.as_nanos(), 0);
    assert_eq!(engine.runner().kv().used_bytes(), n_bytes, "one token of the first");
    while !engine.is_idle() {
        outcomes.step(&mut engine);
    }
    for id in [first, last] {
        assert_eq!(outcomes.get(id).answer.end, Some(Ok(FinishReason::Length)));
    }
}

#[test]
fn a_storm_of_cancels_leaks_nothing() {
    const N_REQUESTS: usize = 10_000;
    let (mut engine, mut outcomes) = (engine(), Outcomes::default());
    let mut n_drawn = 0;
    let mut below = |n: usize| {
        n_drawn += 1;
        (uniform(1, n_drawn) * n as f64) as usize
    };
    let mut ids = Vec::new();
    for i in 0..N_REQUESTS {
        let prompt: Vec<u32> = (0..1 + below(20)).map(|_| below(4) as u32 + 3).collect();
        let n_tokens_max = Some(1 + below(40));
        ids.push(submit(&mut engine, &Request { n_tokens_max, ..greedy(&prompt) }));
        (0..below(4)).for_each(|_| outcomes.step(&mut engine));
        // Old ones too, most of which have ended.
        for _ in 0..2 {
            engine.cancel(ids[i - below(i.min(8) + 1)]);
        }
    }
    while !engine.is_idle() {
        outcomes.step(&mut engine);
    }
    let outcomes = outcomes.all();
    assert_eq!(outcomes.len(), N_REQUESTS);
    let n_ended = |reason| outcomes.iter().filter(|o| o.answer.end == Some(Ok(reason))).count();
    let (n_cancelled, n_whole) = (n_ended(FinishReason::Cancelled), n_ended(FinishReason::Length));
    assert_eq!(n_cancelled + n_whole, N_REQUESTS);
    assert!(n_cancelled > 100 && n_whole > 100, "{n_cancelled} cancelled, {n_whole} whole");
    assert_eq!((engine.n_running(), engine.n_waiting()), (0, 0));
    let kv = engine.runner().kv();
    assert_eq!(kv.free_bytes(), kv.n_bytes_max(), "nobody holds a block");
    // Only a cache that nothing was lost of has room for a whole context.
    let outcome = run(&mut engine, &greedy(&[1]));
    assert_eq!(outcome.answer.ids.len(), LIMITS.n_ctx);
    let kv = engine.runner().kv();
    assert_eq!(kv.used_bytes(), kv.n_bytes_max());
}
