//! The tokens of scripts: words that the test chooses, and every byte.

use tokenizer::{GgufVocab, Tokenizer};

/// `<unk> <s> </s>`, 256 bytes, the words, and rows that no text belongs to.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    words: Vec<&'static str>,
}

/// Types of the GGUF specification.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const BYTE: i32 = 6;

const FIRST_BYTE: u32 = 3;
const FIRST_WORD: u32 = FIRST_BYTE + 256;

impl Vocabulary {
    pub const BOS: u32 = 1;
    pub const EOS: u32 = 2;
    /// Rows beyond the tokenizer's tokens.
    pub const N_PADDING: usize = 3;

    pub fn new(words: &[&'static str]) -> Self {
        Self { words: words.to_vec() }
    }

    /// Padding included.
    pub fn n_vocab(&self) -> usize {
        FIRST_WORD as usize + self.words.len() + Self::N_PADDING
    }

    /// # Panics
    /// Where the word is none of the vocabulary.
    pub fn word(&self, word: &str) -> u32 {
        let idx = self.words.iter().position(|&known| known == word);
        FIRST_WORD + idx.unwrap_or_else(|| panic!("{word:?} is in the vocabulary")) as u32
    }

    pub fn words(&self, words: &[&str]) -> Vec<u32> {
        words.iter().map(|word| self.word(word)).collect()
    }

    /// One token a byte.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u32> {
        bytes.iter().map(|&byte| FIRST_BYTE + u32::from(byte)).collect()
    }

    pub fn tokenizer(&self) -> Tokenizer {
        let bytes = (0..256).map(|byte| (format!("<0x{byte:02X}>"), BYTE));
        // SentencePiece writes a space as U+2581.
        let words = self.words.iter().map(|word| (word.replace(' ', "\u{2581}"), NORMAL));
        let named = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)];
        let named = named.map(|(name, kind)| (name.to_owned(), kind));
        let (tokens, types): (Vec<_>, Vec<_>) = named.into_iter().chain(bytes).chain(words).unzip();
        let vocab = GgufVocab {
            model: "llama",
            tokens: tokens.iter().map(String::as_bytes).collect(),
            scores: Some(vec![0.0; tokens.len()]),
            token_types: Some(types),
            bos_id: Some(Self::BOS),
            eos_id: Some(Self::EOS),
            unknown_id: Some(0),
            add_space_prefix: Some(false),
            ..GgufVocab::default()
        };
        Tokenizer::from_gguf(&vocab).expect("a vocabulary that the tokenizer takes")
    }
}
