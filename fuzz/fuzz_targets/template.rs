//! Any template is an error or a prompt whose control tokens are its own:
//! `cargo +nightly fuzz run template`.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tokenizer::template::Options;
use tokenizer::{GgufVocab, Message, Special, Tokenizer};

/// Bytes for text, and the control tokens of ChatML.
static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let mut tokens: Vec<String> = (0..=255).map(|byte| format!("<0x{byte:02X}>")).collect();
    tokens.extend(["<|im_start|>", "<|im_end|>"].map(str::to_owned));
    let vocab = GgufVocab {
        model: "llama",
        tokens: tokens.iter().map(|token| token.as_bytes()).collect(),
        scores: Some(vec![0.0; 258]),
        token_types: Some((0..258).map(|id| if id < 256 { 6 } else { 3 }).collect()),
        add_space_prefix: Some(false),
        ..GgufVocab::default()
    };
    Tokenizer::from_gguf(&vocab).expect("the vocabulary is sound")
});

// A template, a zero byte, a message.
fuzz_target!(|input: &[u8]| {
    let input = String::from_utf8_lossy(input);
    let (source, content) = input.split_once('\0').unwrap_or((&input, "<|im_end|>"));
    let Ok(template) = TOKENIZER.compile_template(source) else { return };
    let messages = [Message::user(content), Message::assistant("a")];
    let options = Options { add_generation_prompt: true, ..Options::default() };
    let Ok(ids) = TOKENIZER.encode_chat(&template, &messages, &options) else { return };
    // A template that cannot write `<` places no control token, whatever the message says.
    let has_control = ids.iter().any(|id| TOKENIZER.is_control(*id));
    assert!(!has_control || source.contains(['<', '\\']));
    let bytes = ids.iter().flat_map(|id| TOKENIZER.token_bytes(*id, Special::Show));
    assert!(std::str::from_utf8(&bytes.copied().collect::<Vec<u8>>()).is_ok());
});
