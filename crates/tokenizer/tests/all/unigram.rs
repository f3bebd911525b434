//! Unigram: the ids of SentencePiece itself, from `tokenizer.json` and from GGUF.

use serde_json::Value as Json;
use tokenizer::{SpecialText, Tokenizer};

use crate::tiny::{BYTE, CONTROL, NORMAL, Tiny, UNKNOWN, UNUSED, USER_DEFINED};

fn golden(name: &str) -> Json {
    let folder = format!("{}/../../tests/goldens/unigram", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(format!("{folder}/{name}")).unwrap()).unwrap()
}

/// What the converter to GGUF makes of `tokenizer.json`.
fn gguf() -> Tiny {
    let json = golden("tokenizer.json");
    let mut tiny = Tiny { model: "t5", ..Tiny::default() };
    let pieces = json["model"]["vocab"].as_array().unwrap();
    for (idx, piece) in pieces.iter().enumerate() {
        let token_type = [CONTROL, CONTROL, UNKNOWN].get(idx).copied().unwrap_or(NORMAL);
        tiny.add(piece[0].as_str().unwrap(), token_type, piece[1].as_f64().unwrap() as f32);
    }
    (tiny.eos_id, tiny.unknown_id) = (Some(1), Some(2));
    let charsmap = json["normalizer"]["precompiled_charsmap"].as_str().unwrap();
    tiny.charsmap = Some(from_base64(charsmap));
    tiny
}

fn from_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|c| DIGITS.iter().position(|digit| *digit == c));
    let bits: Vec<u8> =
        digits.flat_map(|digit| (0..6).rev().map(move |i| (digit >> i & 1) as u8)).collect();
    bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

#[track_caller]
fn check(tokenizer: &Tokenizer, is_meant: impl Fn(&str) -> bool) {
    let texts = golden("expected.json");
    for case in texts.as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let expected: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        if is_meant(text) {
            assert_eq!(tokenizer.encode(text, SpecialText::AsText), expected, "{text:?}");
        }
    }
}

#[test]
fn the_ids_are_those_of_sentencepiece() {
    check(&gguf().tokenizer(), |_| true);
    let json = golden("tokenizer.json").to_string();
    let config = br#"{"eos_token": "</s>"}"#;
    let from_json = Tokenizer::from_json(json.as_bytes(), Some(config)).unwrap();
    // `tokenizers` finds the unknown token's name in a text.
    check(&from_json, |text| !text.contains("<unk>"));
    for tokenizer in [gguf().tokenizer(), from_json] {
        assert_eq!(tokenizer.encode_whole("the sun", SpecialText::AsText), [5, 4, 21, 8, 1]);
        assert_eq!(tokenizer.encode_prompt("the sun", SpecialText::AsText), [5, 4, 21, 8]);
    }
}

/// Rows that only fill the table have a score below all others, and what is unknown must not.
#[test]
fn padding_rows_change_nothing() {
    let mut tiny = gguf();
    for idx in 0..4 {
        tiny.add(&format!("[PAD{idx}]"), UNUSED, -10_000.0);
    }
    check(&tiny.tokenizer(), |_| true);
}

#[test]
fn what_is_unknown_is_written_in_bytes_where_there_are_bytes() {
    let mut tiny = gguf();
    let first = tiny.tokens.len() as u32;
    (0..=255).for_each(|byte| _ = tiny.add(&format!("<0x{byte:02X}>"), BYTE, 0.0));
    let tokenizer = tiny.tokenizer();
    let ids = tokenizer.encode("the \u{6771}\u{4eac}", SpecialText::AsText);
    let bytes = "\u{6771}\u{4eac}".bytes().map(|byte| first + u32::from(byte));
    assert_eq!(ids, [5, 4, 3].into_iter().chain(bytes).collect::<Vec<_>>());
    assert_eq!(tokenizer.decode(&ids), "the \u{6771}\u{4eac}");
    // The name of a byte is no byte.
    let named = tokenizer.encode("<0x41>", SpecialText::AsText);
    assert_eq!(tokenizer.decode(&named), "<0x41>");
}

#[test]
fn user_defined_tokens_are_cut_out_first() {
    let mut tiny = gguf();
    let extra = tiny.add("<extra_id_0>", USER_DEFINED, -1000.0);
    let ids = tiny.tokenizer().encode("the <extra_id_0> sun", SpecialText::AsText);
    assert_eq!(ids, [5, 4, extra, 21, 8]);
}

#[test]
fn white_space_stays_where_the_file_says_so() {
    let kept = Tiny { remove_extra_whitespaces: Some(false), ..gguf() }.tokenizer();
    assert_eq!(kept.encode("the  sun", SpecialText::AsText), [5, 4, 3, 21, 8]);
    let bare = Tiny { add_space_prefix: Some(false), ..gguf() }.tokenizer();
    assert_eq!(bare.encode("he sun", SpecialText::AsText), [4, 21, 8]);
}
