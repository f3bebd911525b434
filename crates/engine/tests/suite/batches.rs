//! Who runs beside a request, and on how many threads, changes nothing about its answer.

use engine::{Loaded, Request, SamplingParams};

use crate::outcome::{Answer, run, run_at};
use crate::tiny::{SIZE, Size, engine, models, request};

/// Prompts shorter and longer than a step and than a block of keys.
fn requests() -> Vec<Request> {
    let mut requests: Vec<Request> =
        [1, 5, 31, 33, 64, 90].map(|n_prompt| request(n_prompt as u64, n_prompt, 40)).into();
    requests[2].sampling = SamplingParams::greedy();
    requests[3].sampling = SamplingParams { repeat_penalty: 1.3, seed: 9, ..Default::default() };
    requests[4].stop = vec!["e".into(), "ta".into()];
    requests
}

/// Each in an engine of its own.
fn alone(loaded: &Loaded, requests: &[Request]) -> Vec<Answer> {
    requests.iter().map(|request| run(&mut engine(loaded, SIZE), request).answer).collect()
}

fn check(loaded: &Loaded, size: Size, requests: &[(usize, Request)], expected: &[Answer]) {
    let outcomes = run_at(&mut engine(loaded, size), requests);
    for (outcome, expected) in outcomes.iter().zip(expected) {
        assert_eq!(&outcome.answer, expected, "{size:?}");
    }
}

#[test]
fn alone_equals_in_any_batch() {
    let requests = requests();
    for loaded in models() {
        let expected = alone(&loaded, &requests);
        for stride in [0, 1, 7] {
            for n_tokens_max in [3, 32, 256] {
                let at = requests.iter().enumerate();
                let at: Vec<_> = at.map(|(i, request)| (i * stride, request.clone())).collect();
                check(&loaded, Size { n_tokens_max, ..SIZE }, &at, &expected);
            }
        }
        let last_first: Vec<_> =
            requests.iter().rev().enumerate().map(|(i, request)| (i, request.clone())).collect();
        let expected: Vec<_> = expected.into_iter().rev().collect();
        check(&loaded, SIZE, &last_first, &expected);
    }
}

#[test]
fn one_thread_equals_many() {
    let requests = requests();
    for loaded in models() {
        let expected = alone(&loaded, &requests);
        let at: Vec<_> = requests.iter().map(|request| (0, request.clone())).collect();
        for n_threads in [2, 3] {
            check(&loaded, Size { n_threads, ..SIZE }, &at, &expected);
        }
    }
}

#[test]
fn s13_two_kinds_of_sampling_do_not_mix() {
    let greedy = SamplingParams { repeat_penalty: 2.0, ..SamplingParams::greedy() };
    let seeded = SamplingParams { seed: 99, top_k: 1, ..SamplingParams::plain() };
    let requests = [
        Request { sampling: greedy, ..request(1, 12, 5) },
        Request { sampling: seeded, ..request(2, 12, 4) },
    ];
    for loaded in models() {
        let expected = alone(&loaded, &requests);
        for order in [[0, 1], [1, 0]] {
            let at = order.map(|i| (0, requests[i].clone()));
            check(&loaded, SIZE, &at, &order.map(|i| expected[i].clone()));
        }
    }
}
