//! `--save-kv` and `--load-kv`: a text that was read once is not read again, and bad files are
//! refused before any work.

use serde_json::{Value, json};

use crate::lab::{Lab, tiny};

const DOCUMENT: &str = "the quick brown fox jumps over the lazy dog and goes home again; ";

/// One answer; `args` come on top.
fn run(lab: &Lab, model: &str, document: &str, args: &[&str]) -> Value {
    let fixed = ["run", "-m", model, "--raw", "-n", "8", "--seed", "3", "--json", "-f", document];
    lab.json(&[&fixed, args].concat())
}

#[test]
fn a_second_question_does_not_read_the_document_again() {
    let (lab, model) = Lab::with_tiny();
    let document = lab.file("contract.txt", DOCUMENT.repeat(4));
    let first = run(&lab, &model, &document, &["--save-kv", "a.kv", "who?"]);
    assert_eq!(first["context"]["reused"], 0);
    let again = run(&lab, &model, &document, &["--load-kv", "a.kv", "who?"]);
    assert_eq!((&again["ids"], &again["text"]), (&first["ids"], &first["text"]));
    let n_prompt = first["prompt_ids"].as_array().expect("ids").len();
    let context = &again["context"];
    assert_eq!(context["reused"], n_prompt - 1);
    assert_eq!((&context["recomputed"], &context["first_divergent"]), (&json!(1), &Value::Null));
    // Another question: cold or warm, the same answer.
    let cold = run(&lab, &model, &document, &["what?"]);
    let warm = run(&lab, &model, &document, &["--load-kv", "a.kv", "what?"]);
    assert_eq!((&cold["ids"], &cold["text"]), (&warm["ids"], &warm["text"]));
    let n_reused = warm["context"]["reused"].as_u64().expect("a number");
    assert!(n_reused >= DOCUMENT.len() as u64, "{n_reused}");
    assert_eq!(warm["context"]["first_divergent"], n_reused);
}

#[test]
fn chat_goes_on_from_a_saved_conversation() {
    let (lab, model) = Lab::with_chat();
    let chat = |args: &[&str], input: &str| {
        let fixed = ["chat", "-m", &model, "-n", "8", "--seed", "3", "--json"];
        lab.run_with_input(&[&fixed, args].concat(), input)
    };
    let first = chat(&["--save-kv", "chat.kv"], "hello there\n");
    assert!(first.stderr.contains("saved"), "{}", first.stderr);
    let second = chat(&["--load-kv", "chat.kv"], "hello there\n");
    let line: Value = serde_json::from_str(second.stdout.trim()).expect("a line of JSON");
    assert_eq!(line["context"]["recomputed"], 1);
}

#[test]
fn files_that_do_not_fit_are_refused_in_one_line() {
    let (lab, model) = Lab::with_tiny();
    let document = lab.file("contract.txt", DOCUMENT);
    run(&lab, &model, &document, &["--save-kv", "a.kv"]);
    let whole = std::fs::read(lab.path("a.kv")).expect("a file");
    let check = |args: &[&str], expected: &str| {
        let ran = lab.run(&[&["run", "-m", &model, "--raw", "hello"], args].concat());
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), ""), "{args:?}");
        let line = ran.stderr.lines().find(|line| line.starts_with("error"));
        assert!(line.is_some_and(|line| line.contains(expected)), "{args:?}: {}", ran.stderr);
    };
    lab.file("cut.kv", &whole[..whole.len() / 2]);
    check(&["--load-kv", "cut.kv"], "cut.kv is damaged");
    check(&["--load-kv", "absent.kv"], "absent.kv");
    check(&["--load-kv", &model], "not a saved cache");
    check(&["--load-kv", "a.kv", "--kv", "q8_0"], "choose the same --kv");
    check(&["--load-kv", "a.kv", "--exact", "--kv", "f16"], "another model");
    check(&["--save-kv", "absent/a.kv"], "absent");
    let other = lab.path("other.gguf");
    let writer = tiny_random::TinyRandom { seed: 99, ..tiny() };
    writer.writer().write(&other).expect("a writable folder");
    let other = other.to_str().expect("a path that is text");
    let ran = lab.run(&["run", "-m", other, "--raw", "hello", "--load-kv", "a.kv"]);
    assert!(ran.stderr.contains("another model"), "{}", ran.stderr);
    assert_eq!(std::fs::read(lab.path("a.kv")).expect("a file"), whole);
}
