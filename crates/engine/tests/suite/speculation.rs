//! Law 14: drafts change how many steps an answer takes, and nothing else about it, for greedy
//! answers and for drawn ones.

use engine::{Engine, Request, SamplingParams, Speculation, Usage};
use scripted_runner::{Limits, ScriptedRunner, Vocabulary, only};
use tiny_random::N_VOCAB;

use crate::outcome::{Outcome, Outcomes, greedy, run, run_all};
use crate::tiny::{N_CTX, SIZE, Size, engine, models, request, text};

fn off(request: &Request) -> Request {
    Request { speculation: Speculation::Off, ..request.clone() }
}

/// What must be the same, bit for bit, beside the answer.
fn counts(usage: &Usage) -> [usize; 4] {
    [usage.n_prompt, usage.reuse.n_reused, usage.n_generated, usage.kv_bytes]
}

/// A few tokens are far likelier than others: what comes was often seen before, and another token
/// than before often comes.
fn repetitive(seed: u64) -> SamplingParams {
    let logit_bias = [0u32, 1, 2].map(|i| (3 + 256 + i, 9.0)).to_vec();
    SamplingParams { seed, logit_bias, ..SamplingParams::plain() }
}

/// All kinds of sampling and of ends, on prompts with and without repetitions.
fn requests() -> Vec<Request> {
    let mut requests = Vec::new();
    for seed in 0..8 {
        let n_prompt = 1 + 9 * seed as usize;
        let base = Request { sampling: repetitive(seed), ..request(seed, n_prompt, 60) };
        let penalties = SamplingParams {
            repeat_penalty: 1.2,
            presence_penalty: 0.3,
            frequency_penalty: 0.1,
            ..repetitive(seed)
        };
        let cool = SamplingParams { temperature: 0.5, top_k: 5, ..repetitive(seed) };
        let twice = [base.prompt.clone(), base.prompt.clone()].concat();
        requests.extend([
            Request { sampling: SamplingParams::greedy(), ..base.clone() },
            Request { sampling: penalties, ..base.clone() },
            Request { sampling: cool, prompt: twice, ..base.clone() },
            Request { stop: vec!["tae".into(), "eeee".into()], ..base.clone() },
            Request { n_tokens_max: Some(1 + 3 * seed as usize), ..base.clone() },
            Request { n_tokens_max: None, prompt: text(seed, N_CTX - 20), ..base },
        ]);
    }
    requests
}

#[test]
fn speculative_equals_one_token_a_step() {
    for loaded in models() {
        let requests = requests();
        let (mut n_accepted, mut n_rejected) = (0, 0);
        for request in &requests {
            let expected = run(&mut engine(&loaded, SIZE), &off(request));
            let outcome = run(&mut engine(&loaded, SIZE), request);
            assert_eq!(outcome.answer, expected.answer, "{request:?}");
            assert_eq!(counts(&outcome.usage), counts(&expected.usage), "{request:?}");
            assert_eq!((expected.usage.n_drafted, expected.usage.n_accepted), (0, 0));
            n_accepted += outcome.usage.n_accepted;
            n_rejected += outcome.usage.n_drafted - outcome.usage.n_accepted;
        }
        assert!(n_accepted > 100 && n_rejected > 100, "{n_accepted} right, {n_rejected} wrong");
    }
}

#[test]
fn drafts_beside_other_sequences_change_nothing() {
    let requests = requests();
    for loaded in models() {
        let alone = |request| run(&mut engine(&loaded, SIZE), &off(request)).answer;
        let expected: Vec<_> = requests.iter().map(alone).collect();
        for size in [
            SIZE,
            Size { n_tokens_max: 5, ..SIZE },
            // The youngest give up their places to others, again and again.
            Size { n_positions_max: N_CTX, n_tokens_max: 16, ..SIZE },
            Size { n_tokens_max: 256, n_threads: 2, ..SIZE },
        ] {
            let outcomes = run_all(&mut engine(&loaded, size), &requests);
            let n_accepted: usize = outcomes.iter().map(|o| o.usage.n_accepted).sum();
            assert!(n_accepted > 0, "{size:?}");
            for (outcome, expected) in outcomes.iter().zip(&expected) {
                assert_eq!(&outcome.answer, expected, "{size:?}");
            }
        }
    }
}

/// What was drafted and not chosen is not there for the next turn.
#[test]
fn a_second_turn_finds_what_was_written() {
    for loaded in models() {
        let mut warm = engine(&loaded, SIZE);
        for seed in 0..6 {
            let first = Request { sampling: repetitive(seed), ..request(seed, 30, 40) };
            let first_turn = run(&mut warm, &first);
            assert!(first_turn.usage.n_drafted > 0);
            let prompt = [&first.prompt[..], &first_turn.answer.ids, &text(9, 5)].concat();
            let second = Request { prompt, ..first };
            let outcome = run(&mut warm, &second);
            let expected = run(&mut engine(&loaded, SIZE), &off(&second));
            assert_eq!(outcome.answer, expected.answer);
            let n_cached = first_turn.usage.n_prompt + first_turn.usage.n_generated - 1;
            assert_eq!(outcome.usage.reuse.n_reused, n_cached);
        }
    }
}

#[test]
fn a_cancelled_answer_is_a_beginning_and_leaves_no_draft() {
    let [loaded, ..] = models();
    for n_steps in 1..20 {
        let request = Request { sampling: repetitive(3), ..request(3, 10, 100) };
        let expected = run(&mut engine(&loaded, SIZE), &off(&request)).answer.ids;
        let (mut warm, mut outcomes) = (engine(&loaded, SIZE), Outcomes::default());
        let id = warm.submit(request.clone()).expect("a request that is in range");
        (0..n_steps).for_each(|_| outcomes.step(&mut warm));
        warm.cancel(id);
        outcomes.step(&mut warm);
        assert!(warm.is_idle());
        let written = &outcomes.get(id).answer.ids;
        assert!(expected.starts_with(written));
        let prompt = [&request.prompt[..], &expected[..50]].concat();
        let next = run(&mut warm, &Request { prompt, ..request });
        assert_eq!(next.usage.reuse.n_reused, 10 + written.len() - 1);
        assert_eq!(next.answer.ids[..50], expected[50..]);
    }
}

const WORDS: [&str; 5] = ["a", "b", "c", "d", "e"];
const LIMITS: Limits = Limits { n_vocab: 0, n_ctx: 128, n_positions_max: 128, n_tokens_max: 16 };

/// Reads `line`, words by their letters, and ends its turn. With the number of steps.
fn play(line: &str, change: impl Fn(&mut Request)) -> (Outcome, usize) {
    let vocabulary = Vocabulary::new(&WORDS);
    let n_vocab = vocabulary.n_vocab();
    let line: Vec<u32> =
        line.chars().map(|letter| vocabulary.word(letter.encode_utf8(&mut [0; 4]))).collect();
    let script = {
        let line = line.clone();
        move |tokens: &[u32]| match line.get(tokens.len() - 1) {
            Some(&id) if tokens[1..] == line[..tokens.len() - 1] => only(id, n_vocab),
            None if tokens[1..] == line[..] => only(Vocabulary::EOS, n_vocab),
            // After what the line does not say, which nobody may see.
            _ => vec![f32::NAN; n_vocab],
        }
    };
    let runner = ScriptedRunner::new(Limits { n_vocab, ..LIMITS }, script);
    let mut engine = Engine::new(Box::new(runner), vocabulary.tokenizer());
    let mut request = greedy(&[Vocabulary::BOS]);
    change(&mut request);
    let mut outcomes = Outcomes::default();
    let id = engine.submit(request).expect("a request that is in range");
    let mut n_steps = 0;
    while !engine.is_idle() {
        outcomes.step(&mut engine);
        n_steps += 1;
    }
    (outcomes.get(id).clone(), n_steps)
}

/// Expects the text and the same outcome with and without drafts; returns the steps of both.
fn check(line: &str, text: &str, change: impl Fn(&mut Request)) -> [usize; 2] {
    let (expected, n_plain) = play(line, |request| {
        change(request);
        request.speculation = Speculation::Off;
    });
    let (outcome, n_speculative) = play(line, change);
    assert_eq!(outcome.answer, expected.answer);
    assert_eq!(counts(&outcome.usage), counts(&expected.usage));
    assert_eq!(outcome.answer.text(), text);
    [n_speculative, n_plain]
}

#[test]
fn a_text_that_repeats_itself_takes_fewer_steps() {
    let line = "abcde".repeat(12);
    let [n_speculative, n_plain] = check(&line, &line, |_| ());
    assert_eq!(n_plain, line.len() + 1);
    assert!(n_speculative < n_plain / 2, "{n_speculative} of {n_plain} steps");
    // Without repetitions there is nothing to draft.
    assert_eq!(check("abcdeaebdcbec", "abcdeaebdcbec", |_| ()), [14; 2]);
}

#[test]
fn answers_end_inside_a_draft_where_they_end_without() {
    let line = "abcde".repeat(12);
    for n in 1..line.len() {
        check(&line, &line[..n], |request| request.n_tokens_max = Some(n));
        // The end of the turn, where the text before went on.
        check(&line[..n], &line[..n], |_| ());
        let other = format!("{}{}", &line[..n], "e");
        check(&other, &other, |_| ());
    }
    let line = format!("{}{line}", "abcdebcd".repeat(4));
    for stop in ["bcdeab", "deabcdeabcde", "ea", "dd"] {
        let text = line.split(stop).next().expect("a text");
        check(&line, text, |request| request.stop = vec!["ddd".into(), stop.into()]);
    }
}

#[test]
fn the_context_holds_no_draft_beyond_it() {
    let line = "ab".repeat(LIMITS.n_ctx);
    check(&line, &line[..LIMITS.n_ctx], |_| ());
}

/// A draft may hold a token that ends the turn: prompts of conversations do.
#[test]
fn what_ends_a_turn_ends_it_inside_a_draft() {
    let vocabulary = Vocabulary::new(&WORDS);
    let turn = [&vocabulary.words(&["a", "b", "c"])[..], &[Vocabulary::EOS]].concat();
    let prompt = [&[Vocabulary::BOS][..], &turn, &turn, &turn].concat();
    for speculation in [Speculation::Auto, Speculation::Off] {
        let (line, n_vocab) = (turn.clone(), vocabulary.n_vocab());
        let script = move |tokens: &[u32]| only(line[(tokens.len() - 1) % 4], n_vocab);
        let runner = ScriptedRunner::new(Limits { n_vocab, ..LIMITS }, script);
        let mut engine = Engine::new(Box::new(runner), vocabulary.tokenizer());
        let outcome = run(&mut engine, &Request { speculation, ..greedy(&prompt) });
        assert_eq!(outcome.answer.text(), "abc");
        let next = Request { prompt: [&prompt[..], &turn, &turn].concat(), ..greedy(&[]) };
        assert_eq!(run(&mut engine, &next).usage.reuse.n_reused, prompt.len() + 3);
        // The first token comes from the prompt, the second has a draft of one.
        assert!(outcome.usage.n_drafted > 0 || speculation == Speculation::Off);
    }
}

/// Logits of a token that was not chosen are nobody's, even where they are no numbers: `play`.
#[test]
fn what_follows_a_wrong_draft_is_not_looked_at() {
    let line = format!("{}e{}", "abcd".repeat(5), "abcd".repeat(3));
    let (outcome, _) = play(&line, |_| ());
    assert_eq!(outcome.answer.text(), line);
    assert!(outcome.usage.n_accepted < outcome.usage.n_drafted);
}

#[test]
fn the_vocabulary_has_the_letters_that_are_favoured() {
    let [loaded, ..] = models();
    let favoured = repetitive(0).logit_bias.into_iter().map(|(id, _)| id);
    let letters: Vec<u32> = favoured.collect();
    assert!(letters.iter().all(|&id| (id as usize) < N_VOCAB));
    assert_eq!(loaded.tokenizer.decode(&letters), "eta");
}
