//! WordPiece: the ids of BERT's own tokenizer, from `tokenizer.json` and from GGUF.

use serde_json::Value as Json;
use tokenizer::{SpecialText, Tokenizer};

use crate::tiny::{CONTROL, NORMAL, Tiny};

fn golden(name: &str) -> Json {
    let folder = format!("{}/../../tests/goldens/wordpiece", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(format!("{folder}/{name}")).unwrap()).unwrap()
}

/// What the converter to GGUF makes of `tokenizer.json`; it names no token that begins a text.
fn gguf() -> Tiny {
    let json = golden("tokenizer.json");
    let mut tiny = Tiny { model: "bert", ..Tiny::default() };
    let vocab = json["model"]["vocab"].as_object().unwrap();
    let mut tokens: Vec<_> = vocab.iter().map(|(text, id)| (id.as_u64(), text)).collect();
    tokens.sort();
    for (idx, (_, text)) in tokens.into_iter().enumerate() {
        let token_type = if idx < 5 { CONTROL } else { NORMAL };
        match text.strip_prefix("##") {
            _ if token_type == CONTROL => tiny.add(text, token_type, 0.0),
            Some(inside) => tiny.add(inside, token_type, 0.0),
            None => tiny.add(&format!("\u{2581}{text}"), token_type, 0.0),
        };
    }
    tiny.unknown_id = Some(1);
    tiny
}

fn from_json() -> Tokenizer {
    let config = br#"{"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}"#;
    Tokenizer::from_json(golden("tokenizer.json").to_string().as_bytes(), Some(config)).unwrap()
}

#[test]
fn the_ids_are_those_of_bert() {
    let texts = golden("expected.json");
    let texts = texts.as_array().unwrap();
    assert!(texts.len() >= 20);
    for tokenizer in [gguf().tokenizer(), from_json()] {
        for case in texts {
            let text = case["text"].as_str().unwrap();
            let expected: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
            // Names of special tokens mean these only where a program wrote them.
            let special = match text.contains("[CLS]") {
                true => SpecialText::Parse,
                false => SpecialText::AsText,
            };
            assert_eq!(tokenizer.encode(text, special), expected, "{text:?}");
        }
    }
}

/// Published files ask for texts that are cut and filled up.
#[test]
fn whole_texts_have_a_beginning_and_an_end_and_no_padding() {
    for tokenizer in [gguf().tokenizer(), from_json()] {
        let ids = tokenizer.encode_whole(&"hen ".repeat(20), SpecialText::AsText);
        assert_eq!((ids[0], *ids.last().unwrap()), (2, 3));
        assert!(ids.len() > 20 && ids[1..ids.len() - 1].iter().all(|id| *id > 4), "{ids:?}");
        assert_eq!(tokenizer.encode_whole("", SpecialText::AsText), [2, 3]);
    }
}
