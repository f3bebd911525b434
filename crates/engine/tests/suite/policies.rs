//! Texts that are let go of in part: the answer is the same whatever the steps, and memory ends.

use std::ops::ControlFlow;

use engine::{Error, FinishReason, Request, Speculation, score};
use model::kv::{Importance, KvPolicy, Miss};
use tiny_random::TinyRandom;

use crate::outcome::{run, run_all};
use crate::tiny::{N_CTX, SIZE, Size, engine, load, models, request, runner, small, text};

const POLICY: KvPolicy = KvPolicy::SinksAndWindow { n_sinks: 4, window: 50 };
const N_KEPT: usize = 54;

fn forgetful(seed: u64, n_prompt: usize, n_answer: usize) -> Request {
    Request { kv_policy: POLICY, ..request(seed, n_prompt, n_answer) }
}

#[test]
fn what_a_window_holds_is_answered_as_if_all_were_kept() {
    for loaded in models() {
        let kept = run(&mut engine(&loaded, SIZE), &request(1, 20, 34));
        let in_window = run(&mut engine(&loaded, SIZE), &forgetful(1, 20, 34));
        assert_eq!(in_window.answer, kept.answer);
        assert_eq!(in_window.usage.context().dropped, 0);
    }
}

#[test]
fn a_text_without_end_takes_constant_memory() {
    for loaded in models() {
        let n_answer = 5 * N_CTX;
        let mut request = Request { speculation: Speculation::Off, ..forgetful(2, 300, n_answer) };
        let ends = (0..loaded.model.config.n_vocab as u32)
            .filter(|&id| loaded.tokenizer.is_end_of_generation(id));
        request.sampling.logit_bias = ends.map(|id| (id, -1e9)).collect();
        let mut engine = engine(&loaded, SIZE);
        let outcome = run(&mut engine, &request);
        assert_eq!(outcome.answer.end, Some(Ok(FinishReason::Length)));
        assert_eq!(outcome.answer.ids.len(), n_answer);
        let context = outcome.usage.context();
        assert_eq!((context.kept, context.dropped), (N_KEPT, 300 + n_answer - 1 - N_KEPT));
        // What is remembered of the prompt is beside it.
        let shape = engine.runner().kv().shape();
        let n_bytes = shape.bytes_under(POLICY, 300 + n_answer, SIZE.n_tokens_max);
        assert!(outcome.usage.kv_bytes <= 2 * n_bytes, "{} {n_bytes}", outcome.usage.kv_bytes);
    }
}

#[test]
fn steps_and_threads_change_nothing() {
    for loaded in models() {
        let request = forgetful(3, 250, 120);
        let expected = run(&mut engine(&loaded, SIZE), &request);
        for (n_tokens_max, n_threads) in [(7, 3), (100, 2)] {
            let size = Size { n_tokens_max, n_threads, ..SIZE };
            assert_eq!(run(&mut engine(&loaded, size), &request).answer, expected.answer);
        }
    }
}

/// Keys depend on what was forgotten before them.
#[test]
fn texts_are_reused_under_their_own_policy_only() {
    for loaded in models() {
        let mut warm = engine(&loaded, SIZE);
        let first = forgetful(4, 120, 30);
        let said = [&first.prompt[..], &run(&mut warm, &first).answer.ids].concat();
        let prompt = [&said[..], &text(5, 15)].concat();
        let second = Request { prompt, ..first };
        let outcome = run(&mut warm, &second);
        assert_eq!(outcome.usage.reuse.n_reused, said.len() - 1);
        assert_eq!(outcome.answer, run(&mut engine(&loaded, SIZE), &second).answer);
        let kept = Request { kv_policy: KvPolicy::KeepAll, n_tokens_max: Some(5), ..second };
        let outcome = run(&mut warm, &kept);
        assert_eq!((outcome.usage.reuse.n_reused, outcome.usage.reuse.miss), (0, Miss::Unknown));
        assert_eq!(outcome.answer, run(&mut engine(&loaded, SIZE), &kept).answer);
    }
}

#[test]
fn what_is_kept_must_fit_the_context() {
    let [loaded, ..] = models();
    let submit = |window| {
        let kv_policy = KvPolicy::SinksAndWindow { n_sinks: 4, window };
        engine(&loaded, SIZE).submit(Request { kv_policy, ..request(1, 10, 10) })
    };
    assert!(submit(N_CTX as u32 - 4).is_ok());
    let expected = Error::PolicyTooLarge { n_kept: N_CTX + 1, n_ctx: N_CTX };
    assert_eq!(submit(N_CTX as u32 - 3).err(), Some(expected));
}

#[test]
fn a_score_looks_back_as_far_as_its_policy() {
    let [loaded, ..] = models();
    let score = |ids: &[u32], policy| {
        let go_on = &mut |_| ControlFlow::Continue(());
        score(&mut runner(&loaded, SIZE), ids, policy, go_on).expect("a score").logprobs
    };
    let window = |window| KvPolicy::SinksAndWindow { n_sinks: 0, window };
    let ids = text(6, N_CTX);
    let kept = score(&ids, KvPolicy::KeepAll);
    assert_eq!(score(&ids, window(N_CTX as u32)), kept);
    let short = score(&ids, window(10));
    assert_eq!(short[..11], kept[..11]);
    assert_ne!(short[11..], kept[11..]);
    assert_eq!(score(&text(6, 3 * N_CTX), window(10)).len(), 3 * N_CTX);
}

fn choosy(n_blocks: u32, request: Request) -> Request {
    Request { kv_policy: KvPolicy::TopBlocks { n_blocks, from: 0 }, ..request }
}

#[test]
fn an_answer_that_looks_at_all_blocks_is_exact() {
    for loaded in models() {
        let request = request(7, 150, 40);
        let exact = run(&mut engine(&loaded, SIZE), &request);
        let all = run(&mut engine(&loaded, SIZE), &choosy(9, request));
        assert_eq!(all.answer, exact.answer);
        let (of_all, of_exact) = (all.usage.context(), exact.usage.context());
        assert!(of_all.approximate && !of_exact.approximate);
        assert_eq!((of_all.kept, of_all.dropped), (of_exact.kept, 0));
    }
}

/// Prompts are computed exactly, and shared with everybody; answers are computed again.
#[test]
fn few_blocks_change_neither_prompts_nor_what_is_repeated() {
    let [loaded, ..] = models();
    let request = choosy(0, request(8, 160, 30));
    let expected = run(&mut engine(&loaded, SIZE), &request);
    for (n_tokens_max, n_threads) in [(7, 3), (100, 2)] {
        let size = Size { n_tokens_max, n_threads, ..SIZE };
        assert_eq!(run(&mut engine(&loaded, size), &request).answer, expected.answer);
    }
    let mut warm = engine(&loaded, SIZE);
    let kept = Request { kv_policy: KvPolicy::KeepAll, ..request.clone() };
    let exact = run(&mut warm, &kept).answer;
    assert_ne!(exact, expected.answer);
    let again = run(&mut warm, &request);
    assert_eq!((again.usage.reuse.n_reused, &again.answer), (159, &expected.answer));
    let said = [&request.prompt[..], &expected.answer.ids].concat();
    let next = Request { prompt: [&said[..], &text(9, 5)].concat(), n_tokens_max: Some(5), ..kept };
    let outcome = run(&mut warm, &next);
    assert!(outcome.usage.reuse.n_reused < said.len() - 1);
    assert_eq!(outcome.answer, run(&mut engine(&loaded, SIZE), &next).answer);
}

const LONG: Size = Size { n_ctx: 600, ..SIZE };
const JUDGES: [Importance; 2] = [Importance::Observed, Importance::Expected];

/// Keeps `n_keys` of its prompt.
fn evicting(by: Importance, n_keys: u32, request: Request) -> Request {
    Request { kv_policy: KvPolicy::Evict { by, n_keys, n_prompt: 0 }, ..request }
}

#[test]
fn a_prompt_that_fits_is_kept_whole() {
    for loaded in models() {
        let kept = run(&mut engine(&loaded, LONG), &request(10, 250, 30));
        for by in JUDGES {
            let request = evicting(by, 256, request(10, 250, 30));
            let outcome = run(&mut engine(&loaded, LONG), &request);
            assert_eq!(outcome.answer, kept.answer);
            assert_eq!(outcome.usage.context().dropped, 0);
        }
    }
}

/// Windows keep what they see: there is no layer to let go of something in.
#[test]
fn nothing_is_let_go_of_where_all_layers_have_windows() {
    let tiny = TinyRandom { architecture: "gemma3", n_layers: 1, window: Some(20), ..small() };
    let loaded = load(&tiny);
    assert!(loaded.model.config.window_of(0).is_some());
    let kept = run(&mut engine(&loaded, LONG), &request(13, 450, 40));
    for by in JUDGES {
        let outcome = run(&mut engine(&loaded, LONG), &evicting(by, 256, request(13, 450, 40)));
        assert_eq!(outcome.answer, kept.answer);
        assert_eq!(outcome.usage.context().dropped, 0);
    }
}

#[test]
fn what_is_let_go_of_depends_on_neither_steps_nor_threads_nor_cache() {
    for loaded in models() {
        let kept = run(&mut engine(&loaded, LONG), &request(11, 450, 40));
        for by in JUDGES {
            let request = evicting(by, 256, request(11, 450, 40));
            let mut warm = engine(&loaded, LONG);
            let expected = run(&mut warm, &request);
            assert_ne!(expected.answer, kept.answer);
            let context = expected.usage.context();
            // Four of eight blocks.
            assert_eq!((context.dropped, context.kept), (256, 450 + 40 - 1 - 256));
            for (n_tokens_max, n_threads) in [(7, 3), (100, 2)] {
                let size = Size { n_tokens_max, n_threads, ..LONG };
                assert_eq!(run(&mut engine(&loaded, size), &request).answer, expected.answer);
            }
            // What judges is computed again, and so is the answer.
            let again = run(&mut warm, &request);
            assert_eq!((again.usage.reuse.n_reused, &again.answer), (450 - 32, &expected.answer));
            let said = [&request.prompt[..], &expected.answer.ids].concat();
            let prompt = [&said[..], &text(12, 40)].concat();
            let next = Request { prompt, ..request.clone() };
            let outcome = run(&mut warm, &next);
            assert_eq!(outcome.usage.reuse.n_reused, 450 - 32);
            assert_eq!(outcome.answer, run(&mut engine(&loaded, LONG), &next).answer);
            run(&mut warm, &Request { kv_policy: KvPolicy::KeepAll, ..request.clone() });
            let again = run(&mut warm, &request);
            assert_eq!(again.usage.reuse.miss, Miss::Policy);
            assert_eq!(again.answer, expected.answer);
        }
    }
}

/// In a cache that holds one of them whole, requests are preempted, and answer as if alone.
#[test]
fn what_was_let_go_of_makes_room_and_comes_back_the_same() {
    let [loaded, ..] = models();
    let size = Size { n_positions_max: 600, n_tokens_max: 64, ..LONG };
    for by in JUDGES {
        let requests: Vec<Request> =
            (13..16).map(|seed| evicting(by, 256, request(seed, 400, 60))).collect();
        let expected: Vec<_> =
            requests.iter().map(|request| run(&mut engine(&loaded, size), request)).collect();
        let together = run_all(&mut engine(&loaded, size), &requests);
        for (outcome, expected) in together.iter().zip(&expected) {
            assert_eq!(outcome.answer, expected.answer);
        }
    }
}

#[test]
fn a_score_has_no_answer_to_keep_a_part_for() {
    let [loaded, ..] = models();
    let policy = evicting(Importance::Observed, 256, request(1, 1, 1)).kv_policy;
    let go_on = &mut |_| ControlFlow::Continue(());
    let result = score(&mut runner(&loaded, SIZE), &text(1, 10), policy, go_on);
    assert_eq!(result.err(), Some(Error::NothingToAnswer { policy }));
}
