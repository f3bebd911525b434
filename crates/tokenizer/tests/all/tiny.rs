//! Tiny vocabularies of every kind, as the metadata of a GGUF file would hold them.

use tokenizer::{GgufVocab, Tokenizer};

/// The token types of GGUF.
pub(crate) const NORMAL: i32 = 1;
pub(crate) const UNKNOWN: i32 = 2;
pub(crate) const CONTROL: i32 = 3;
pub(crate) const USER_DEFINED: i32 = 4;
pub(crate) const UNUSED: i32 = 5;
pub(crate) const BYTE: i32 = 6;

/// A vocabulary that owns its strings.
#[derive(Clone, Default)]
pub(crate) struct Tiny {
    pub(crate) model: &'static str,
    pub(crate) pre: Option<&'static str>,
    pub(crate) tokens: Vec<String>,
    pub(crate) types: Vec<i32>,
    pub(crate) scores: Vec<f32>,
    pub(crate) merges: Vec<String>,
    pub(crate) charsmap: Option<Vec<u8>>,
    pub(crate) bos_id: Option<u32>,
    pub(crate) eos_id: Option<u32>,
    pub(crate) unknown_id: Option<u32>,
    pub(crate) add_bos: Option<bool>,
    pub(crate) add_space_prefix: Option<bool>,
    pub(crate) remove_extra_whitespaces: Option<bool>,
    pub(crate) chat_template: Option<String>,
}

impl Tiny {
    pub(crate) fn add(&mut self, text: &str, token_type: i32, score: f32) -> u32 {
        self.tokens.push(text.to_owned());
        self.types.push(token_type);
        self.scores.push(score);
        self.tokens.len() as u32 - 1
    }

    pub(crate) fn gguf(&self) -> GgufVocab<'_> {
        GgufVocab {
            model: self.model,
            pre: self.pre,
            tokens: self.tokens.iter().map(|token| token.as_bytes()).collect(),
            scores: Some(self.scores.clone()),
            token_types: Some(self.types.clone()),
            merges: self.merges.iter().map(|merge| merge.as_bytes()).collect(),
            precompiled_charsmap: self.charsmap.clone(),
            bos_id: self.bos_id,
            eos_id: self.eos_id,
            unknown_id: self.unknown_id,
            add_bos: self.add_bos,
            add_space_prefix: self.add_space_prefix,
            remove_extra_whitespaces: self.remove_extra_whitespaces,
            chat_template: self.chat_template.as_deref(),
            ..GgufVocab::default()
        }
    }

    pub(crate) fn tokenizer(&self) -> Tokenizer {
        Tokenizer::from_gguf(&self.gguf()).unwrap()
    }
}

/// Byte-level BPE with all bytes, some merges and the control tokens of ChatML.
pub(crate) fn byte_bpe(pre: &'static str) -> Tiny {
    let mut tiny = Tiny { model: "gpt2", pre: Some(pre), ..Tiny::default() };
    for byte in 0..=255 {
        tiny.add(&spelled(byte).to_string(), NORMAL, 0.0);
    }
    for merge in ["h e", "l l", "he ll", "Ġ w", "o r", "Ġw or", "a a", "aa aa", "Ċ Ċ", "Ã ©"]
    {
        tiny.add(&merge.replace(' ', ""), NORMAL, 0.0);
        tiny.merges.push(merge.to_owned());
    }
    for name in ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] {
        tiny.add(name, CONTROL, 0.0);
    }
    tiny.add("<tool>", USER_DEFINED, 0.0);
    tiny.add("[PAD270]", UNUSED, 0.0);
    tiny.bos_id = Some(256 + 10);
    tiny.eos_id = Some(256 + 12);
    tiny
}

/// SentencePiece-style BPE like Gemma's: byte tokens, runs of spaces and newlines of their own.
pub(crate) fn score_bpe() -> Tiny {
    let mut tiny = Tiny { model: "llama", ..Tiny::default() };
    tiny.unknown_id = Some(tiny.add("<unk>", UNKNOWN, 0.0));
    tiny.bos_id = Some(tiny.add("<bos>", CONTROL, 0.0));
    tiny.eos_id = Some(tiny.add("<eos>", CONTROL, 0.0));
    for byte in 0..=255 {
        tiny.add(&format!("<0x{byte:02X}>"), BYTE, 0.0);
    }
    for run in ["  ", "   ", "    ", "\n\n", "\n\n\n"] {
        tiny.add(run, USER_DEFINED, -1000.0);
    }
    let pieces = "▁a ab abc ▁the the ▁t th he aa aaaa ▁▁ lo ▁lo".split(' ');
    for (idx, piece) in pieces.enumerate() {
        tiny.add(piece, NORMAL, -(idx as f32));
    }
    for c in "▁abcthelo".chars() {
        tiny.add(&c.to_string(), NORMAL, -100.0);
    }
    tiny.add_space_prefix = Some(false);
    tiny
}

/// WordPiece as GGUF stores BERT's: the start of a word is marked, the inside is not.
pub(crate) fn word_piece() -> Tiny {
    let mut tiny = Tiny { model: "bert", ..Tiny::default() };
    tiny.unknown_id = Some(tiny.add("[UNK]", UNKNOWN, 0.0));
    tiny.bos_id = Some(tiny.add("[CLS]", CONTROL, 0.0));
    tiny.eos_id = Some(tiny.add("[SEP]", CONTROL, 0.0));
    for c in 'a'..='z' {
        tiny.add(&format!("▁{c}"), NORMAL, 0.0);
        tiny.add(&c.to_string(), NORMAL, 0.0);
    }
    for token in ["▁un", "able", "▁read", "ing", "[", "]"] {
        tiny.add(token, NORMAL, 0.0);
    }
    tiny
}

/// Unigram like T5's.
pub(crate) fn unigram() -> Tiny {
    let mut tiny = Tiny { model: "t5", ..Tiny::default() };
    tiny.add("<pad>", CONTROL, 0.0);
    tiny.eos_id = Some(tiny.add("</s>", CONTROL, 0.0));
    tiny.unknown_id = Some(tiny.add("<unk>", UNKNOWN, 0.0));
    for (piece, score) in
        [("▁", -2.0), ("▁the", -3.0), ("▁read", -6.0), ("ing", -3.5), ("▁re", -5.0)]
    {
        tiny.add(piece, NORMAL, score);
    }
    for (idx, c) in ('a'..='z').enumerate() {
        tiny.add(&c.to_string(), NORMAL, -8.0 - idx as f32 / 10.0);
    }
    tiny
}

/// GPT-2's character for a byte.
fn spelled(byte: u8) -> char {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if printable(byte) {
        return char::from(byte);
    }
    let n_before = (0..byte).filter(|b| !printable(*b)).count() as u32;
    char::from_u32(256 + n_before).unwrap()
}

/// The byte-level step of a `tokenizer.json`, as pre-tokenizer or decoder.
pub(crate) fn byte_level_step() -> serde_json::Value {
    serde_json::json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
        "use_regex": true})
}
