//! Any text is an error or a grammar that can be held to: `cargo +nightly fuzz run grammar`.

#![no_main]

use std::sync::LazyLock;

use engine::{Grammar, GrammarCompiler};
use libfuzzer_sys::fuzz_target;
use tokenizer::{GgufVocab, Tokenizer};

/// One token a byte.
static COMPILER: LazyLock<GrammarCompiler> = LazyLock::new(|| {
    let tokens: Vec<String> = (0..=255).map(|byte| format!("<0x{byte:02X}>")).collect();
    let vocab = GgufVocab {
        model: "llama",
        tokens: tokens.iter().map(|token| token.as_bytes()).collect(),
        scores: Some(vec![0.0; tokens.len()]),
        token_types: Some(vec![6; tokens.len()]),
        ..GgufVocab::default()
    };
    let tokenizer = Tokenizer::from_gguf(&vocab).expect("a vocabulary");
    GrammarCompiler::new(&tokenizer, tokens.len()).expect("a vocabulary")
});

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let text = String::from_utf8_lossy(rest).into_owned();
    let grammar = match first % 4 {
        0 => Grammar::Gbnf(text),
        1 => Grammar::Lark(text),
        2 => Grammar::Regex(text),
        _ => match serde_json::from_str(&text) {
            Ok(schema) => Grammar::JsonSchema(schema),
            Err(_) => return,
        },
    };
    let _ = COMPILER.compile(&grammar);
});
