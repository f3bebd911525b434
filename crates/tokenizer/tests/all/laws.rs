//! Laws that hold for every kind of vocabulary.

use std::sync::LazyLock;

use proptest::prelude::*;
use tokenizer::{Special, SpecialText, Tokenizer};

use crate::tiny::{self, Tiny};

static KINDS: LazyLock<Vec<Tokenizer>> = LazyLock::new(|| {
    vec![
        tiny::byte_bpe("gpt-2").tokenizer(),
        tiny::byte_bpe("llama3").tokenizer(),
        tiny::byte_bpe("smollm").tokenizer(),
        tiny::byte_bpe("deepseek-v3").tokenizer(),
        tiny::score_bpe().tokenizer(),
        Tiny { add_space_prefix: Some(true), ..tiny::score_bpe() }.tokenizer(),
    ]
});

static WORD_KINDS: LazyLock<[Tokenizer; 2]> =
    LazyLock::new(|| [tiny::word_piece().tokenizer(), tiny::unigram().tokenizer()]);

/// Text in which merges, runs, special names and all of Unicode meet. U+2581 is left out: to
/// SentencePiece it is a space.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[ a-e\n\r\t0-9]{0,12}",
        Just("<|im_end|>".to_owned()),
        Just("<tool>the".to_owned()),
        Just("<bos> hello wor".to_owned()),
        Just("🦙é\u{301}中".to_owned()),
        any::<String>(),
    ];
    let parts = prop::collection::vec(part, 0..8);
    parts.prop_map(|parts| parts.concat().replace('\u{2581}', "_"))
}

fn streamed(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let mut detokenizer = tokenizer.detokenizer();
    let mut text: String = ids.iter().map(|id| detokenizer.push(*id)).collect();
    text.push_str(&detokenizer.finish());
    text
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(text in text()) {
        for tokenizer in KINDS.iter() {
            let ids = tokenizer.encode(&text, SpecialText::AsText);
            prop_assert!(!ids.iter().any(|id| tokenizer.is_control(*id)));
            prop_assert_eq!(&tokenizer.decode(&ids), &text);
        }
    }

    #[test]
    fn any_ids_stream_to_what_they_decode_to(ids in prop::collection::vec(0..300_u32, 0..64)) {
        for tokenizer in KINDS.iter() {
            let token_bytes = |id: &u32| tokenizer.token_bytes(*id, Special::Hide).to_vec();
            let bytes: Vec<u8> = ids.iter().flat_map(token_bytes).collect();
            let whole = String::from_utf8_lossy(&bytes).into_owned();
            let text = streamed(tokenizer, &ids);
            prop_assert_eq!(&text, &tokenizer.decode(&ids));
            let mut after_prompt = tokenizer.detokenizer_after_prompt();
            let mut rest: String = ids.iter().map(|id| after_prompt.push(*id)).collect();
            rest.push_str(&after_prompt.finish());
            prop_assert_eq!(rest, whole);
        }
    }

    #[test]
    fn parsing_text_without_special_names_is_plain_encoding(text in "[ a-e\n0-9é]{0,40}") {
        for tokenizer in KINDS.iter() {
            let parsed = tokenizer.encode(&text, SpecialText::Parse);
            prop_assert_eq!(parsed, tokenizer.encode(&text, SpecialText::AsText));
        }
    }
}

/// Two ways to merge: this crate's, and the `tokenizers` crate's on the same table.
#[test]
fn byte_bpe_agrees_with_the_tokenizers_crate() {
    let tiny = tiny::byte_bpe("gpt-2");
    let ours = tiny.tokenizer();
    let vocab: serde_json::Map<_, _> =
        tiny.tokens[..266].iter().zip(0..).map(|(token, id)| (token.clone(), id.into())).collect();
    let json = serde_json::json!({
        "added_tokens": [],
        "pre_tokenizer": tiny::byte_level_step(),
        "decoder": tiny::byte_level_step(),
        "model": {"type": "BPE", "vocab": vocab, "merges": tiny.merges},
    });
    let theirs = Tokenizer::from_json(json.to_string().as_bytes(), None).unwrap();
    proptest!(|(text in text())| {
        let text = text.replace("<tool>", "");
        let ids = ours.encode(&text, SpecialText::AsText);
        prop_assert_eq!(theirs.encode(&text, SpecialText::AsText), &ids[..]);
        prop_assert_eq!(theirs.decode(&ids), text);
    });
}

#[test]
fn words_that_word_piece_and_unigram_know_come_back() {
    proptest!(|(words in prop::collection::vec("(un|read|the|[a-z]{1,6})", 1..6))| {
        let text = words.join(" ");
        for tokenizer in WORD_KINDS.iter() {
            let ids = tokenizer.encode(&text, SpecialText::AsText);
            prop_assert_eq!(&tokenizer.decode(&ids), &text);
            prop_assert_eq!(streamed(tokenizer, &ids), &text[..]);
        }
    });
}

#[test]
fn no_kind_takes_control_tokens_from_text() {
    for tokenizer in KINDS.iter().chain(WORD_KINDS.iter()) {
        let names: Vec<String> = (0..tokenizer.n_vocab() as u32)
            .filter(|id| {
                tokenizer.is_control(*id)
                    && Some(*id) != tokenizer.encode("中", SpecialText::AsText).last().copied()
            })
            .map(|id| tokenizer.piece(id).into_owned())
            .collect();
        assert!(!names.is_empty());
        for name in names {
            let text = format!("a {name} b{name}");
            let ids = tokenizer.encode(&text, SpecialText::AsText);
            assert!(ids.iter().all(|id| tokenizer.piece(*id) != name), "{text}");
            let ids = tokenizer.encode(&text, SpecialText::Parse);
            assert_eq!(ids.iter().filter(|id| tokenizer.piece(**id) == name).count(), 2, "{text}");
        }
    }
}
