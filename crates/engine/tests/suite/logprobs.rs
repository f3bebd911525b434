//! Log-probabilities of prompts and of what stands beside the chosen tokens.

use std::ops::ControlFlow;

use engine::{Engine, Error, FinishReason, LogprobsWanted, Request, score};
use model::kv::KvPolicy;
use scripted_runner::{Limits, ScriptedRunner, Vocabulary, only};

use crate::outcome::{Answer, greedy, run, run_at};
use crate::tiny::{SIZE, Size, engine, models, request, runner, text};

const OF_PROMPT: LogprobsWanted = LogprobsWanted { n_top: 3, of_prompt: Some(1) };

/// What does not depend on anything but the request, of each.
fn answers(engine: &mut Engine, requests: &[(usize, Request)]) -> Vec<Answer> {
    run_at(engine, requests).into_iter().map(|outcome| outcome.answer).collect()
}

#[test]
fn a_prompt_has_the_log_probabilities_of_its_score() {
    for loaded in models() {
        for n_answer in [0, 1, 7] {
            let prompt = text(3, 90);
            let request = Request { logprobs: OF_PROMPT, ..request(3, 90, n_answer) };
            let found = run(&mut engine(&loaded, SIZE), &request);
            let go_on = &mut |_| ControlFlow::Continue(());
            let mut runner = runner(&loaded, SIZE);
            let expected = score(&mut runner, &prompt, KvPolicy::KeepAll, go_on).expect("a score");
            let tokens = &found.answer.prompt;
            let ids: Vec<u32> = tokens.iter().map(|token| token.token_id).collect();
            assert_eq!(ids, prompt[1..]);
            let logprobs: Vec<Option<f32>> =
                tokens.iter().map(|token| Some(token.logprob)).collect();
            assert_eq!(logprobs, expected.logprobs[1..]);
            assert_eq!(found.answer.ids.len(), n_answer);
            assert_eq!(found.answer.end, Some(Ok(FinishReason::Length)));
            for token in tokens {
                let [first, second, third] = token.top[..] else { panic!("{token:?}") };
                assert!(first.1 >= second.1 && second.1 >= third.1, "{token:?}");
                let is_there = token.top.contains(&(token.token_id, token.logprob));
                assert!(is_there || token.logprob <= third.1, "{token:?}");
            }
        }
    }
}

#[test]
fn they_are_the_same_whatever_is_cached_or_computed_beside_them() {
    for loaded in models() {
        let wants = |request: Request| Request { logprobs: OF_PROMPT, ..request };
        let requests = [
            (0, request(1, 120, 20)),
            (1, wants(request(1, 120, 20))),
            (2, wants(request(2, 70, 0))),
            (9, wants(request(1, 100, 9))),
        ];
        let alone =
            |(_, request): &(usize, Request)| run(&mut engine(&loaded, SIZE), request).answer;
        let expected: Vec<Answer> = requests.iter().map(alone).collect();
        for (n_tokens_max, n_positions_max) in [(32, 8 * 256), (7, 8 * 256), (64, 320)] {
            let size = Size { n_tokens_max, n_positions_max, ..SIZE };
            let mut engine = engine(&loaded, size);
            assert!(answers(&mut engine, &requests) == expected, "{size:?}");
            // And once more with all of it cached.
            assert!(answers(&mut engine, &requests) == expected, "{size:?}");
        }
    }
}

#[test]
fn nothing_of_a_scored_prompt_is_reused_and_that_is_said() {
    let [loaded, ..] = models();
    let mut engine = engine(&loaded, SIZE);
    run(&mut engine, &request(1, 100, 5));
    let found = run(&mut engine, &Request { logprobs: OF_PROMPT, ..request(1, 100, 5) });
    let context = found.usage.context();
    assert_eq!((context.reused, context.recomputed), (0, 100));
    assert_eq!(context.why, "what is asked of the prompt is found while it is computed");
    assert_eq!(context.first_divergent, None);
}

#[test]
fn the_likeliest_tokens_stand_beside_the_chosen_one() {
    let [loaded, ..] = models();
    let logprobs = LogprobsWanted { n_top: 4, of_prompt: None };
    let greedy = Request { n_tokens_max: Some(12), logprobs, ..greedy(&text(5, 40)) };
    let found = run(&mut engine(&loaded, SIZE), &greedy).answer;
    assert_eq!(found.tops.len(), 12);
    for ((id, logprob), top) in found.ids.iter().zip(&found.logprobs).zip(&found.tops) {
        assert_eq!((top.len(), top[0]), (4, (*id, *logprob)));
    }
    let plain = Request { logprobs: LogprobsWanted::default(), ..greedy };
    let unasked = run(&mut engine(&loaded, SIZE), &plain).answer;
    assert_eq!((&unasked.ids, &unasked.logprobs), (&found.ids, &found.logprobs));
    assert!(unasked.tops.iter().all(Vec::is_empty));
}

#[test]
fn what_cannot_be_told_is_refused() {
    let [loaded, ..] = models();
    let mut engine = engine(&loaded, SIZE);
    let many = LogprobsWanted { n_top: 21, of_prompt: None };
    let refused = engine.submit(Request { logprobs: many, ..greedy(&[3]) });
    let message = refused.expect_err("too many").to_string();
    assert_eq!(message, "top_logprobs: expected a number from 0 to 20, found 21");
    let kv_policy = KvPolicy::SinksAndWindow { n_sinks: 4, window: 20 };
    let forgetful = Request { kv_policy, logprobs: OF_PROMPT, ..greedy(&[3]) };
    assert_eq!(engine.submit(forgetful), Err(Error::PromptLogprobs));
}

/// A model that would end its turn at once.
#[test]
fn an_end_waits_for_the_least_number_of_tokens() {
    let vocabulary = Vocabulary::new(&[" N"]);
    let (n_vocab, word) = (vocabulary.n_vocab(), vocabulary.words(&[" N"])[0]);
    for (n_tokens_min, expected) in [(0, 0), (1, 1), (5, 5), (usize::MAX, 8)] {
        let limits = Limits { n_vocab, n_ctx: 64, n_positions_max: 64, n_tokens_max: 8 };
        let runner = ScriptedRunner::new(limits, move |_| {
            let mut logits = only(Vocabulary::EOS, n_vocab);
            logits[word as usize] = -3.0;
            logits
        });
        let mut engine = Engine::new(Box::new(runner), vocabulary.tokenizer());
        let request =
            Request { n_tokens_min, n_tokens_max: Some(8), ..greedy(&[Vocabulary::BOS, 5]) };
        assert_eq!(run(&mut engine, &request).answer.ids, vec![word; expected]);
    }
}
