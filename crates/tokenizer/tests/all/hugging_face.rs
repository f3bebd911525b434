//! `tokenizer.json`: the ids of the `tokenizers` crate, and of GGUF for the same model.

use format::Mapping;
use format::gguf::GgufFile;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tokenizer::{Error, GgufVocab, SpecialText, Tokenizer};

use crate::tiny;

fn added(id: u32, content: &str, special: bool) -> Json {
    json!({"id": id, "content": content, "special": special, "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": false})
}

fn vocab_of(tokens: &[String]) -> Json {
    tokens.iter().zip(0..).map(|(token, id)| (token.clone(), Json::from(id))).collect()
}

fn metaspace_step(prepend_scheme: &str, split: bool) -> Json {
    json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": prepend_scheme,
        "split": split})
}

/// Byte-level BPE with special tokens that take white space along.
fn byte_level() -> Json {
    let tiny = tiny::byte_bpe("gpt-2");
    let mut added_tokens =
        vec![added(266, "<|end|>", true), added(267, "<mask>", true), added(268, "<tool>", false)];
    added_tokens[0]["rstrip"] = true.into();
    added_tokens[1]["lstrip"] = true.into();
    json!({
        "version": "1.0", "added_tokens": added_tokens, "normalizer": {"type": "NFC"},
        "pre_tokenizer": tiny::byte_level_step(), "decoder": tiny::byte_level_step(),
        "model": {"type": "BPE", "vocab": vocab_of(&tiny.tokens[..266]), "merges": tiny.merges},
    })
}

/// BPE with U+2581 for spaces, a space before the first word only, and byte tokens.
fn metaspace(prepend_scheme: &str) -> Json {
    let mut tokens: Vec<String> = ["<unk>", "<s>"].map(str::to_owned).to_vec();
    tokens.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
    tokens.extend("▁abcdthe".chars().map(String::from));
    tokens.extend(["▁a", "th", "the", "▁the"].map(str::to_owned));
    json!({
        "version": "1.0", "added_tokens": [added(0, "<unk>", true), added(1, "<s>", true)],
        "pre_tokenizer": metaspace_step(prepend_scheme, false),
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "fuse_unk": true,
            "vocab": vocab_of(&tokens), "merges": ["▁ a", "t h", "th e", "▁ the"]},
    })
}

fn word_piece() -> Json {
    let mut tokens: Vec<String> =
        ["[UNK]", "[CLS]", "[SEP]", "##ing", "read"].map(str::to_owned).to_vec();
    tokens.extend(('a'..='e').flat_map(|c| [format!("{c}"), format!("##{c}")]));
    json!({
        "version": "1.0",
        "added_tokens": [added(0, "[UNK]", true), added(1, "[CLS]", true), added(2, "[SEP]", true)],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": false},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab_of(&tokens)},
    })
}

fn unigram() -> Json {
    let mut pieces = vec![json!(["<unk>", 0.0]), json!(["▁", -2.0]), json!(["▁the", -3.0])];
    pieces.extend(('a'..='h').map(|c| json!([c.to_string(), -5.0])));
    json!({
        "version": "1.0", "added_tokens": [added(0, "<unk>", true), added(11, "</s>", true)],
        "pre_tokenizer": metaspace_step("always", true),
        "decoder": metaspace_step("always", true),
        "model": {"type": "Unigram", "unk_id": 0, "vocab": pieces, "byte_fallback": false},
    })
}

fn read(json: &Json, config: &Json) -> Result<Tokenizer, Error> {
    Tokenizer::from_json(json.to_string().as_bytes(), Some(config.to_string().as_bytes()))
}

#[test]
fn the_ids_are_those_of_the_tokenizers_crate() {
    for json in [byte_level(), metaspace("first"), metaspace("always"), word_piece(), unigram()] {
        let ours = read(&json, &json!({})).unwrap();
        let parsing = tokenizers::Tokenizer::from_bytes(json.to_string()).unwrap();
        let mut plain = parsing.clone();
        plain.set_encode_special_tokens(true);
        let part = "( |<s>|</s>|<mask>|<tool>|<\\|end\\|>|the|read|ing|é|[a-e\n]|🦙)";
        proptest!(|(parts in prop::collection::vec(part, 0..12))| {
            let text = parts.concat();
            let ids = |tokenizer: &tokenizers::Tokenizer| {
                tokenizer.encode_fast(text.as_str(), false).unwrap().get_ids().to_vec()
            };
            prop_assert_eq!(ours.encode(&text, SpecialText::Parse), ids(&parsing));
            prop_assert_eq!(ours.encode(&text, SpecialText::AsText), ids(&plain));
            let unknown = text.contains(['🦙', 'é']);
            if !unknown && !json.to_string().contains("WordPiece") {
                let text_ids = ids(&plain);
                prop_assert_eq!(ours.decode(&text_ids), parsing.decode(&text_ids, true).unwrap());
            }
        });
    }
}

#[test]
fn gguf_and_hugging_face_give_the_ids_of_the_golden_models() {
    for model in ["llama", "qwen2", "gemma3"] {
        let folder = format!("{}/../../tests/goldens/{model}", env!("CARGO_MANIFEST_DIR"));
        let bytes = |name: &str| std::fs::read(format!("{folder}/{name}")).unwrap();
        let expected: Json = serde_json::from_slice(&bytes("expected.json")).unwrap();
        let text = expected["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(expected["token_ids"].clone()).unwrap();
        let config = bytes("hf/tokenizer_config.json");
        let from_json = Tokenizer::from_json(&bytes("hf/tokenizer.json"), Some(&config)).unwrap();
        let file = GgufFile::open(format!("{folder}/model.gguf").as_ref(), Mapping::Read).unwrap();
        let metadata = file.metadata();
        let from_gguf = Tokenizer::from_gguf(&GgufVocab {
            model: metadata.require_str("tokenizer.ggml.model").unwrap(),
            tokens: metadata.require_strings("tokenizer.ggml.tokens").unwrap().iter().collect(),
            scores: metadata.f32s("tokenizer.ggml.scores").unwrap(),
            token_types: metadata.i32s("tokenizer.ggml.token_type").unwrap(),
            bos_id: metadata.u32("tokenizer.ggml.bos_token_id").unwrap(),
            eos_id: metadata.u32("tokenizer.ggml.eos_token_id").unwrap(),
            unknown_id: metadata.u32("tokenizer.ggml.unknown_token_id").unwrap(),
            add_space_prefix: metadata.bool("tokenizer.ggml.add_space_prefix").unwrap(),
            ..GgufVocab::default()
        });
        for tokenizer in [from_json, from_gguf.unwrap()] {
            assert_eq!(tokenizer.encode_prompt(text, SpecialText::AsText), ids, "{model}");
            assert_eq!(tokenizer.decode(&ids), text);
            assert!(tokenizer.is_end_of_generation(2));
        }
    }
}

#[test]
fn what_the_config_says() {
    let config = json!({
        "bos_token": {"content": "<s>", "lstrip": false},
        "eos_token": "<unk>",
        "add_bos_token": true,
        "chat_template": [
            {"name": "tool_use", "template": "x"},
            {"name": "default", "template": "y"},
        ],
    });
    let tokenizer = read(&metaspace("first"), &config).unwrap();
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), Some(0)));
    assert!(tokenizer.adds_bos() && tokenizer.is_end_of_generation(0));
    assert_eq!(tokenizer.chat_template(), Some("y"));
    let bert = read(&word_piece(), &json!({"cls_token": "[CLS]"})).unwrap();
    assert_eq!(bert.encode_prompt("reading", SpecialText::AsText), [1, 4, 3]);
    assert!(read(&byte_level(), &json!({"bos_token": null})).unwrap().bos().is_none());
}

#[test]
fn files_that_are_not_what_they_should_be() {
    let check = |json: &Json, config: &Json, expected: &str| {
        let message = read(json, config).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    };
    check(&json!([]), &json!({}), "tokenizer.json is not what it should be");
    check(&json!({}), &json!({}), "tokenizer.json");
    check(&byte_level(), &json!({"bos_token": 3}), "tokenizer_config.json is not");
    let mut other = byte_level();
    other["decoder"] =
        json!({"type": "CTC", "pad_token": "p", "word_delimiter_token": "|", "cleanup": true});
    check(&other, &json!({}), "decoder CTC");
    let mut sparse = word_piece();
    sparse["model"]["vocab"]["far"] = 4_000_000_000_u32.into();
    check(&sparse, &json!({}), "largest token id is 4000000000");
    let mut charsmap = unigram();
    let damaged = json!({"type": "Precompiled", "precompiled_charsmap": "BAAAAP///38="});
    charsmap["normalizer"] = json!({"type": "Sequence", "normalizers": [damaged]});
    check(&charsmap, &json!({}), "charsmap is damaged");
}
