//! How tokens become text: split characters, invalid bytes, stop strings, ends.

use engine::{Engine, FinishReason, Request};
use proptest::prelude::*;
use scripted_runner::{Limits, ScriptedRunner, Vocabulary, answers, only};

use crate::outcome::{Answer, greedy, run};

const LIMITS: Limits = Limits { n_vocab: 0, n_ctx: 64, n_positions_max: 256, n_tokens_max: 8 };
const PROMPT: [u32; 2] = [Vocabulary::BOS, 5];

fn vocabulary() -> Vocabulary {
    Vocabulary::new(&[" N", " O", " P", " Q", " R", "Why", "?\n", "STOP", "a"])
}

fn answer(ids: &[u32], change: impl FnOnce(&mut Request)) -> Answer {
    let vocabulary = vocabulary();
    let n_vocab = vocabulary.n_vocab();
    let script = answers(n_vocab, vec![(PROMPT.to_vec(), ids.to_vec())]);
    let runner = ScriptedRunner::new(Limits { n_vocab, ..LIMITS }, script);
    let mut engine = Engine::new(Box::new(runner), vocabulary.tokenizer());
    let mut request = greedy(&PROMPT);
    change(&mut request);
    run(&mut engine, &request).answer
}

/// `expected`: what every token adds, then what the end does.
fn check(ids: &[u32], expected: &[&str]) {
    let answer = answer(ids, |_| ());
    assert_eq!(answer.deltas, expected);
    assert_eq!(answer.ids, ids);
    assert_eq!(answer.text(), vocabulary().tokenizer().decode(ids));
    assert_eq!(answer.end, Some(Ok(FinishReason::Stop)));
}

/// `expected`: the whole text.
fn check_stop(ids: &[u32], stop: &[&str], expected: &str) -> Answer {
    let stop = stop.iter().map(|&stop| stop.to_owned()).collect();
    let answer = answer(ids, |request| request.stop = stop);
    assert_eq!(answer.text(), expected);
    assert_eq!(answer.end, Some(Ok(FinishReason::Stop)));
    answer
}

#[test]
fn d01_a_character_split_over_tokens_comes_whole() {
    let vocabulary = vocabulary();
    check(&vocabulary.bytes("🦙".as_bytes()), &["", "", "", "🦙", ""]);
    let word = vocabulary.words(&[" N"]);
    let ids = [&vocabulary.bytes("aé".as_bytes())[..], &word, &vocabulary.bytes("ü".as_bytes())];
    check(&ids.concat(), &["a", "", "é", " N", "", "ü", ""]);
}

#[test]
fn d03_invalid_bytes_become_replacement_characters() {
    let vocabulary = vocabulary();
    check(&vocabulary.bytes(b"\xFFa\xC0\x80"), &["\u{FFFD}", "a", "\u{FFFD}", "\u{FFFD}", ""]);
    // The start of a character that the end of the turn cuts off.
    check(&vocabulary.bytes(b"\xF0\x9F\xA6"), &["", "", "", "\u{FFFD}"]);
}

#[test]
fn d05_half_a_character_before_a_word_does_not_swallow_it() {
    let vocabulary = vocabulary();
    let ids = [vocabulary.bytes(b"\xF0\x9F"), vocabulary.words(&[" O", " P"])].concat();
    check(&ids, &["", "", "\u{FFFD} O", " P", ""]);
}

proptest! {
    #[test]
    fn joined_deltas_are_the_text_of_all_bytes(
        bytes in proptest::collection::vec(any::<u8>(), 0..30),
    ) {
        let answer = answer(&vocabulary().bytes(&bytes), |_| ());
        prop_assert_eq!(answer.text(), String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn valid_text_streams_without_replacement(text in "[a-z é🦙あ]{0,10}") {
        let ids = vocabulary().bytes(text.as_bytes());
        let answer = answer(&ids, |_| ());
        let is_whole = |delta: &String| !delta.contains(char::REPLACEMENT_CHARACTER);
        prop_assert!(answer.deltas.iter().all(is_whole));
        prop_assert_eq!(answer.text(), text);
    }
}

#[test]
fn d07_a_stop_string_over_several_tokens_ends_the_answer() {
    let words = vocabulary().words(&[" N", " O", " P", " Q", " R"]);
    let stopped = check_stop(&words, &["O P Q"], " N ");
    assert_eq!(stopped.ids, words[..4], "the stop is written, then nothing more");
    // One that is never complete is text.
    check_stop(&words[..3], &["O P Q"], " N O P");
    let character = vocabulary().bytes("é🦙!".as_bytes());
    check_stop(&character, &["🦙"], "é");
}

#[test]
fn d09_text_before_the_stop_in_one_token_is_kept() {
    check_stop(&vocabulary().words(&["Why", "?\n", "a"]), &["\n"], "Why?");
}

#[test]
fn d11_a_stop_as_first_token_gives_an_empty_text() {
    let stopped = check_stop(&vocabulary().words(&["STOP", "a"]), &["STOP"], "");
    assert_eq!(stopped.ids.len(), 1);
    assert!(stopped.logprobs.iter().all(|logprob| logprob.is_finite()));
    let ended = check_stop(&[], &["STOP"], "");
    assert_eq!((ended.ids.len(), ended.logprobs.len()), (0, 0));
}

#[test]
fn an_answer_of_limited_length_gives_back_what_it_held() {
    let words = vocabulary().words(&[" N", " O", " P", " Q"]);
    let check = |stop: &[&str], n_tokens_max, expected: &str, reason| {
        let answer = answer(&words, |request| {
            request.n_tokens_max = Some(n_tokens_max);
            request.stop = stop.iter().map(|&stop| stop.to_owned()).collect();
        });
        assert_eq!(answer.text(), expected);
        assert_eq!(answer.ids.len(), n_tokens_max);
        assert_eq!(answer.end, Some(Ok(reason)));
    };
    check(&["O P Q"], 0, "", FinishReason::Length);
    check(&["O P Q"], 1, " N", FinishReason::Length);
    check(&["O P Q"], 3, " N O P", FinishReason::Length);
    check(&["O P Q"], 4, " N ", FinishReason::Stop);
    // A stop inside what might have become a longer one.
    check(&["O P Q", "P"], 3, " N O ", FinishReason::Stop);
}

#[test]
fn k19_without_cap_and_end_of_turn_the_context_is_the_limit() {
    let vocabulary = vocabulary();
    let (n_vocab, a) = (vocabulary.n_vocab(), vocabulary.word("a"));
    for n_prompt in [1, 2, LIMITS.n_ctx - 1, LIMITS.n_ctx] {
        let script = move |_: &[u32]| only(a, n_vocab);
        let runner = ScriptedRunner::new(Limits { n_vocab, ..LIMITS }, script);
        let mut engine = Engine::new(Box::new(runner), vocabulary.tokenizer());
        let answer = run(&mut engine, &greedy(&vec![a; n_prompt])).answer;
        assert_eq!(answer.end, Some(Ok(FinishReason::Length)));
        // The last token is read off the last position and needs none itself.
        assert_eq!(answer.ids.len(), LIMITS.n_ctx - n_prompt + 1);
    }
}
