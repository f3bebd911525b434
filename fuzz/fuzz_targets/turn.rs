//! Any turn comes apart the same way however it is cut: `cargo +nightly fuzz run turn`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenizer::turn::{Part, TurnFormat, TurnParser, Wants};

const TEMPLATES: [&str; 8] = [
    "<tool_call>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "<|channel|>",
    "<|python_tag|>",
    "<｜tool▁calls▁begin｜>",
    "<start_function_call>",
    "<|tool_call>",
];

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let format = TurnFormat::of_template(TEMPLATES[usize::from(*first) % TEMPLATES.len()]);
    let parts = |deltas: &[&str]| {
        let wants = Wants { calls: first & 64 == 0, reasoning: first & 128 == 0 };
        let mut parser = TurnParser::new(format, wants, "");
        let mut parts: Vec<Part> = deltas.iter().flat_map(|delta| parser.push(delta)).collect();
        parts.extend(parser.finish());
        joined(parts)
    };
    let characters: Vec<&str> = text.split("").collect();
    assert_eq!(parts(&[&text]), parts(&characters));
});

/// Neighbours of one kind as one.
fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut all: Vec<Part> = Vec::new();
    for part in parts {
        match (all.last_mut(), part) {
            (Some(Part::Text(text)), Part::Text(more)) => text.push_str(&more),
            (Some(Part::Reasoning(text)), Part::Reasoning(more)) => text.push_str(&more),
            (_, part) => all.push(part),
        }
    }
    all
}
