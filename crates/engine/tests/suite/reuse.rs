//! What stays cached of finished requests: it saves work, never changes an answer and makes room.

use engine::{Engine, Error, Event, Loaded, Request};
use model::kv::{CacheFull, Miss, Reuse};

use crate::outcome::{greedy, run, run_all, run_at};
use crate::tiny::{N_CTX, SIZE, Size, engine, models, request, text};

/// Runs on a warm engine, expects the answer of a cold one and the number of tokens reused. Returns
/// prompt and answer, and how many of these tokens are cached now.
fn check(
    warm: &mut Engine,
    loaded: &Loaded,
    request: &Request,
    n_reused: usize,
) -> (Vec<u32>, usize) {
    let outlook = warm.outlook(&request.prompt, request.kv_policy).expect("a policy with room");
    let is_idle = warm.is_idle();
    let outcome = run(warm, request);
    // What others compute meanwhile is found too.
    assert!(!is_idle || outlook.reuse == outcome.usage.reuse);
    let cold = run(&mut engine(loaded, SIZE), request);
    assert_eq!(outcome.answer, cold.answer);
    assert_eq!(cold.usage.reuse.n_reused, 0);
    assert_eq!(outcome.usage.reuse.n_reused, n_reused);
    assert_eq!(outcome.usage.n_prefilled(), request.prompt.len() - n_reused);
    // The last token, which may be the end of the turn, was only read.
    let n_cached = outcome.usage.n_prompt + outcome.usage.n_generated - 1;
    ([&request.prompt[..], &outcome.answer.ids].concat(), n_cached)
}

/// The same request with another prompt.
fn with_prompt(request: &Request, parts: &[&[u32]]) -> Request {
    Request { prompt: parts.concat(), ..request.clone() }
}

#[test]
fn a_second_turn_reuses_the_first() {
    for loaded in models() {
        let mut warm = engine(&loaded, SIZE);
        let first = request(1, 50, 20);
        let (said, n_cached) = check(&mut warm, &loaded, &first, 0);
        let second = with_prompt(&request(2, 0, 20), &[&said, &text(3, 15)]);
        let (said, n_cached) = check(&mut warm, &loaded, &second, n_cached);
        let third = with_prompt(&request(4, 0, 20), &[&said, &text(5, 15)]);
        check(&mut warm, &loaded, &third, n_cached);
    }
}

#[test]
fn edited_and_repeated_turns_reuse_what_is_the_same() {
    for loaded in models() {
        let mut warm = engine(&loaded, SIZE);
        let first = request(1, 70, 10);
        check(&mut warm, &loaded, &first, 0);
        // One token is left to compute, for its logits.
        check(&mut warm, &loaded, &first, 69);
        let mut edited = first.clone();
        edited.prompt[60] = edited.prompt[60] % 200 + 3;
        check(&mut warm, &loaded, &edited, 60);
        let shorter = with_prompt(&first, &[&first.prompt[..58]]);
        check(&mut warm, &loaded, &shorter, 57);
    }
}

#[test]
fn k01_back_to_the_first_of_three_messages() {
    for loaded in models() {
        let mut warm = engine(&loaded, SIZE);
        let message = text(1, 13);
        let all = with_prompt(&request(2, 0, 10), &[&message, &text(2, 30), &text(3, 30)]);
        check(&mut warm, &loaded, &all, 0);
        check(&mut warm, &loaded, &with_prompt(&all, &[&message]), 12);
        // The detour cost the other conversation nothing.
        check(&mut warm, &loaded, &all, 72);
    }
}

/// Why the first computed token was not cached.
#[test]
fn reuse_says_where_texts_part_and_why() {
    let [loaded, ..] = models();
    let mut warm = engine(&loaded, SIZE);
    let mut check = |prompt: &[u32], n_answer, expected: Reuse| {
        let request = with_prompt(&request(1, 0, n_answer), &[prompt]);
        assert_eq!(run(&mut warm, &request).usage.reuse, expected);
    };
    let reuse = |n_reused, n_matched, miss| Reuse { n_reused, n_matched, miss };
    let document = text(1, 150);
    check(&document, 1, reuse(0, 0, Miss::Unknown));
    check(&document, 1, reuse(149, 150, Miss::LastToken));
    let longer = [&document[..], &text(2, 20)].concat();
    check(&longer, 1, reuse(150, 150, Miss::New));
    let mut edited = longer.clone();
    edited[100] += 1;
    check(&edited, 1, reuse(100, 100, Miss::Differs));
    check(&text(3, 20), 1, reuse(0, 0, Miss::Unknown));
}

/// The room for an answer is what an answer without bounds takes.
#[test]
fn a_prompt_is_told_how_much_room_it_has() {
    let [loaded, ..] = models();
    let mut warm = engine(&loaded, SIZE);
    for n_prompt in [1, N_CTX - 1, N_CTX, N_CTX + 1] {
        let request = Request { n_tokens_min: usize::MAX, ..greedy(&text(1, n_prompt)) };
        let outlook = warm.outlook(&request.prompt, request.kv_policy).expect("a policy with room");
        let n_taken = match n_prompt > N_CTX {
            true => 0,
            false => n_prompt + run(&mut warm, &request).answer.ids.len(),
        };
        assert_eq!(outlook.n_tokens_max, n_taken, "{n_prompt}");
    }
}

/// Layers with a window keep it behind the end of a prompt and a little more, so questions about
/// one document find it; further back they are computed again.
#[test]
fn windows_reach_back_to_where_questions_part() {
    let [_, windowed, _] = models();
    let mut warm = engine(&windowed, SIZE);
    let document = text(1, 120);
    let question = |n, seed| with_prompt(&request(seed, 0, 10), &[&document, &text(seed, n)]);
    check(&mut warm, &windowed, &question(30, 2), 0);
    check(&mut warm, &windowed, &question(40, 3), 120);
    check(&mut warm, &windowed, &question(50, 4), 120);
}

#[test]
fn a_prompt_cancelled_half_way_is_continued() {
    let [loaded, ..] = models();
    let mut warm = engine(&loaded, SIZE);
    let request = request(1, 80, 10);
    let id = warm.submit(request.clone()).expect("a request that is in range");
    let events = warm.step();
    assert_eq!(events, [Event::Progress { id, n_computed: 32, n_prompt: 80 }]);
    warm.cancel(id);
    check(&mut warm, &loaded, &request, 32);
}

#[test]
fn the_least_recently_used_make_room_when_the_cache_is_full() {
    let [loaded, ..] = models();
    // Three blocks of 64 keys; each request takes one, and one more while it writes.
    let mut warm = engine(&loaded, Size { n_positions_max: 192, ..SIZE });
    let requests = [1, 2, 3, 4].map(|seed| request(seed, 40, 10));
    for request in &requests {
        check(&mut warm, &loaded, request, 0);
    }
    check(&mut warm, &loaded, &requests[3], 39);
    check(&mut warm, &loaded, &requests[2], 39);
    check(&mut warm, &loaded, &requests[0], 0);
    // Growing a reused sequence to the whole cache evicts all others.
    let longer = Request { n_tokens_max: Some(150), ..requests[0].clone() };
    check(&mut warm, &loaded, &longer, 39);
    check(&mut warm, &loaded, &requests[2], 0);
}

#[test]
fn what_never_fits_fails_with_both_numbers_and_others_go_on() {
    let [loaded, ..] = models();
    let mut small = engine(&loaded, Size { n_positions_max: 128, ..SIZE });
    let requests = [request(1, 40, 10), request(2, 100, 50), request(3, 40, 10)];
    let outcomes = run_all(&mut small, &requests);
    let full = CacheFull { n_free: 128, n_wanted: 149 };
    assert_eq!(outcomes[1].answer.end, Some(Err(Error::CacheFull(full))));
    let message = Error::CacheFull(full).to_string();
    assert!(message.contains("128") && message.contains("149"), "{message}");
    for i in [0, 2] {
        let alone = run(&mut engine(&loaded, SIZE), &requests[i]);
        assert_eq!(outcomes[i].answer, alone.answer);
    }
}

#[test]
fn a_turn_that_outgrows_the_cache_fails_and_costs_nothing() {
    let [loaded, ..] = models();
    let mut small = engine(&loaded, Size { n_positions_max: 128, ..SIZE });
    let first = request(1, 40, 10);
    run(&mut small, &first);
    let second = run(&mut small, &Request { n_tokens_max: Some(110), ..first.clone() });
    let full = CacheFull { n_free: 128, n_wanted: 149 };
    assert_eq!(second.answer.end, Some(Err(Error::CacheFull(full))));
    check(&mut small, &loaded, &Request { n_tokens_max: Some(89), ..first }, 39);
}

#[test]
fn a_short_request_does_not_overtake_a_long_one_that_waits() {
    let [loaded, ..] = models();
    let mut small = engine(&loaded, Size { n_positions_max: 128, ..SIZE });
    let requests = [request(1, 10, 20), request(2, 70, 20), request(3, 10, 20)];
    let ids = requests.map(|request| small.submit(request).expect("a request that is in range"));
    let mut order = Vec::new();
    while !small.is_idle() {
        for event in small.step() {
            if let Event::Progress { id, .. } = event {
                order.push(id);
            }
        }
    }
    order.dedup();
    assert_eq!(order, ids);
}

#[test]
fn many_requests_share_a_small_cache() {
    const N_REQUESTS: u64 = 24;
    let requests: Vec<_> = (0..N_REQUESTS)
        .map(|i| (i as usize * 2, request(i % 10, 1 + i as usize * 7 % 60, 5 + i as usize % 20)))
        .collect();
    for loaded in models() {
        let small = Size { n_positions_max: N_CTX, n_tokens_max: 16, ..SIZE };
        let outcomes = run_at(&mut engine(&loaded, small), &requests);
        for (outcome, (_, request)) in outcomes.iter().zip(&requests) {
            let alone = run(&mut engine(&loaded, SIZE), request);
            assert_eq!(outcome.answer, alone.answer);
        }
    }
}

/// A step computes three tokens, so that those who come fourth and fifth have a place and nothing
/// in it.
#[test]
fn a_place_without_tokens_is_not_kept() {
    let [loaded, ..] = models();
    let mut small = engine(&loaded, Size { n_tokens_max: 3, ..SIZE });
    let conversation = request(1, 30, 5);
    check(&mut small, &loaded, &conversation, 0);
    let submit = |small: &mut Engine, seed| {
        small.submit(request(seed, 30, 5)).expect("a request that is in range")
    };
    let running = [2, 3, 4].map(|seed| submit(&mut small, seed));
    for _ in 0..10 {
        let waiting = [5, 6].map(|seed| submit(&mut small, seed));
        small.step();
        waiting.into_iter().for_each(|id| small.cancel(id));
    }
    running.into_iter().for_each(|id| small.cancel(id));
    small.step();
    assert!(small.is_idle());
    check(&mut small, &loaded, &conversation, 29);
}
