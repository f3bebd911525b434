//! `chat` through a pipe: every command, and a conversation that goes on.

use crate::lab::{LETTER_E, Lab, Ran};

/// Three letters an answer, so that conversations are known.
fn chat(lab: &Lab, model: &str, input: &str) -> Ran {
    let ran = try_chat(lab, model, input);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    ran
}

fn try_chat(lab: &Lab, model: &str, input: &str) -> Ran {
    let always_e = format!("{LETTER_E}=1000");
    lab.run_with_input(&["chat", "-m", model, "-n", "3", "--logit-bias", &always_e], input)
}

/// `expected`: the answers, then what the commands say, in order.
fn check(input: &str, n_answers: usize, expected: &[&str]) {
    check_status(0, input, n_answers, expected);
}

/// The conversation goes on after an error, which the status tells scripts at the end.
fn check_error(input: &str, n_answers: usize, expected: &[&str]) {
    check_status(1, input, n_answers, expected);
}

fn check_status(status: i32, input: &str, n_answers: usize, expected: &[&str]) {
    let (lab, model) = Lab::with_chat();
    let ran = try_chat(&lab, &model, input);
    assert_eq!(ran.status, Some(status), "{ran:?}");
    assert_eq!(ran.stdout, "eee\n\n".repeat(n_answers), "{input:?}");
    let mut rest = ran.stderr.as_str();
    for part in expected {
        let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?} in {rest:?}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn answers_and_commands() {
    check("", 0, &[]);
    check("one\ntwo\n", 2, &[]);
    check("one\n/exit\ntwo\n", 1, &[]);
    check("/help\n", 0, &["/system", "/regen", "/clear", "/save", "/load", "/stats", "/exit"]);
    check("/system\n/system Be brief.\n/system\n", 0, &["no system prompt", "Be brief."]);
    check("one\n/stats\n", 1, &["[stopped at -n 3]", "prompt tokens", "3 tokens", "seed "]);
    check("one\n/regen\n", 2, &[]);
}

#[test]
fn mistakes_in_commands() {
    check_error("/stats\none\n", 1, &["no answer yet"]);
    check_error("/regen\none\n", 1, &["no message to answer again"]);
    check_error("/nonsense\none\n", 1, &["\"/nonsense\" is not a command; /help lists them"]);
    check_error("/save\n", 0, &["\"/save\" is not a command"]);
    check_error("/load absent.json\none\n", 1, &["cannot read absent.json"]);
    check_error("/save absent/chat.json\none\n", 1, &["absent/chat.json"]);
}

#[test]
fn several_lines_are_one_message() {
    check("one \\\ntwo\n", 1, &[]);
    check("\"\"\"\none\n\n/exit\n\"\"\"\n", 1, &[]);
    // The last line needs no end.
    check("one", 1, &[]);
    check("one \\", 1, &[]);
}

#[test]
fn a_turn_computes_only_what_is_new() {
    check("one\n/stats\ntwo\n/stats\n", 2, &["prompt tokens at", "more reused) at"]);
}

#[test]
fn the_conversation_is_saved_and_goes_on_where_it_was() {
    let (lab, model) = Lab::with_chat();
    let first = "/system Be brief.\none\ntwo\n/save chat.json\n";
    assert!(chat(&lab, &model, first).stderr.contains("saved 4 messages"));
    let saved = std::fs::read_to_string(lab.path("chat.json")).expect("it was saved");
    let turns: serde_json::Value = serde_json::from_str(&saved).expect("JSON");
    let turn = |role: &str, content: &str| serde_json::json!({"role": role, "content": content});
    let expected = [
        turn("system", "Be brief."),
        turn("user", "one"),
        turn("assistant", "eee"),
        turn("user", "two"),
        turn("assistant", "eee"),
    ];
    assert_eq!(turns, serde_json::json!(expected));

    let loaded = chat(&lab, &model, "/load chat.json\n/system\n/regen\n/save again.json\n");
    assert_eq!(loaded.stdout, "eee\n\n");
    assert!(loaded.stderr.contains("loaded 4 messages\nBe brief."), "{loaded:?}");
    let again = std::fs::read_to_string(lab.path("again.json")).expect("it was saved");
    assert_eq!(again, saved);
    // /clear forgets the turns and keeps the system prompt.
    chat(&lab, &model, "/load chat.json\n/clear\none\n/save cleared.json\n");
    let cleared = std::fs::read_to_string(lab.path("cleared.json")).expect("it was saved");
    let turns: serde_json::Value = serde_json::from_str(&cleared).expect("JSON");
    assert_eq!(turns, serde_json::json!(expected[..3]));
}

#[test]
fn a_full_context_ends_the_turn_not_the_conversation() {
    let (lab, model) = Lab::with_chat();
    let long = "e".repeat(600);
    let ran = try_chat(&lab, &model, &format!("{long}\none\n"));
    assert_eq!((ran.status, &*ran.stdout), (Some(1), "eee\n\n"));
    for part in ["error: the conversation is too long", "/clear", "holds 512"] {
        assert!(ran.stderr.contains(part), "expected {part:?} in {}", ran.stderr);
    }
}

#[test]
fn a_regen_that_fails_keeps_the_answer_there_was() {
    let (lab, model) = Lab::with_chat();
    let long = "e".repeat(600);
    let input = format!("one\n/system {long}\n/regen\ntwo\n/save chat.json\n");
    let ran = try_chat(&lab, &model, &input);
    assert_eq!((ran.status, &*ran.stdout), (Some(1), "eee\n\n"));
    assert!(ran.stderr.contains("saved 2 messages"), "{ran:?}");
}

#[test]
fn a_model_without_a_template_says_so() {
    let (lab, model) = Lab::with_tiny();
    let ran = chat(&lab, &model, "one\ntwo\n");
    assert_eq!(ran.stdout, "eee\n\neee\n\n");
    assert!(ran.stderr.contains("note: this model has no chat template"), "{ran:?}");
}
