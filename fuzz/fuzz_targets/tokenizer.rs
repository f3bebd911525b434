//! Any vocabulary is an error or encodes any text: `cargo +nightly fuzz run tokenizer`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenizer::{GgufVocab, SpecialText, Tokenizer};

// One byte that picks the model, then lines: tokens, an empty line, merges, an empty line, text.
fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    let mut parts = rest.splitn(3, |byte| *byte == 0);
    let mut lines = || parts.next().unwrap_or_default().split(|byte| *byte == b'\n').collect();
    let (mut tokens, merges): (Vec<&[u8]>, Vec<&[u8]>) = (lines(), lines());
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    tokens.insert(0, b"<unk>");
    let n_vocab = tokens.len();
    let vocab = GgufVocab {
        model: ["gpt2", "llama", "bert", "t5"][usize::from(choice % 4)],
        pre: tokenizer::known_pre_tokenizers().nth(usize::from(choice / 4)).or(Some("gpt-2")),
        scores: Some((0..n_vocab).map(|idx| -(idx as f32)).collect()),
        token_types: (choice % 2 == 0)
            .then(|| tokens.iter().map(|token| token.len() as i32 % 7).collect()),
        precompiled_charsmap: (choice > 200).then(|| rest.to_vec()),
        unknown_id: Some(0),
        bos_id: Some(n_vocab as u32 - 1),
        tokens,
        merges,
        ..GgufVocab::default()
    };
    if let Ok(tokenizer) = Tokenizer::from_gguf(&vocab) {
        check(&tokenizer, &text);
    }
    if let Ok(tokenizer) = Tokenizer::from_json(rest, None) {
        check(&tokenizer, &text);
    }
});

fn check(tokenizer: &Tokenizer, text: &str) {
    let plain = tokenizer.encode(text, SpecialText::AsText);
    for ids in [plain, tokenizer.encode_prompt(text, SpecialText::Parse)] {
        assert!(ids.iter().all(|id| (*id as usize) < tokenizer.n_vocab()));
        let mut detokenizer = tokenizer.detokenizer();
        let mut streamed: String = ids.iter().map(|id| detokenizer.push(*id)).collect();
        streamed.push_str(&detokenizer.finish());
        assert_eq!(streamed, tokenizer.decode(&ids));
    }
}
