//! Vocabularies encoded by the `tokenizers` crate: all of `tokenizer.json`, WordPiece, Unigram.

use tokenizers::tokenizer::normalizer::Range;
use tokenizers::tokenizer::pre_tokenizer::OffsetType;
use tokenizers::{
    Model, NormalizedString, Normalizer, OffsetReferential, PreTokenizedString, PreTokenizer, Token,
};

use crate::vocab::{TokenKind, Vocab};

/// What comes before a stretch of text: it decides about the space that some vocabularies add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Nothing,
    Control,
    Text,
}

/// The steps between text without special tokens and ids. The crate's own search for special
/// tokens is not used: it cannot be told for one call to leave them as text.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) steps: tokenizers::Tokenizer,
    pub(crate) unknown: Option<u32>,
    /// What writes unknown text, where the crate does not do so itself.
    pub(crate) byte_ids: Option<Box<[u32; 256]>>,
}

impl Pipeline {
    pub(crate) fn encode(&self, vocab: &Vocab, text: &str, after: After, ids: &mut Vec<u32>) {
        match self.tokens(text, after) {
            Ok(tokens) => tokens.iter().for_each(|token| self.push(vocab, token, ids)),
            // The crate fails only where a model without an unknown token meets unknown text.
            Err(_) => ids.extend(self.unknown),
        }
    }

    fn tokens(&self, text: &str, after: After) -> tokenizers::Result<Vec<Token>> {
        let mut text = match after {
            After::Nothing => NormalizedString::from(text),
            After::Control | After::Text => not_at_the_start(text),
        };
        if let Some(normalizer) = self.steps.get_normalizer() {
            normalizer.normalize(&mut text)?;
        }
        let mut words = PreTokenizedString::from(text);
        if let Some(pre_tokenizer) = self.steps.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut words)?;
        }
        words.tokenize(|word| self.steps.get_model().tokenize(word.get()))?;
        let splits = words.get_splits(OffsetReferential::Normalized, OffsetType::None);
        Ok(splits
            .into_iter()
            .flat_map(|(_, _, tokens)| tokens.clone().unwrap_or_default())
            .collect())
    }

    /// The crate's models also hold the control tokens, and one of them may match plain text:
    /// such a match is written character by character instead.
    fn push(&self, vocab: &Vocab, token: &Token, ids: &mut Vec<u32>) {
        if let Some(byte_ids) = self.byte_ids.as_ref().filter(|_| Some(token.id) == self.unknown) {
            ids.extend(token.value.bytes().map(|byte| byte_ids[usize::from(byte)]));
            return;
        }
        if vocab.kind(token.id) != TokenKind::Control || Some(token.id) == self.unknown {
            ids.push(token.id);
            return;
        }
        for c in token.value.chars() {
            let tokens =
                self.steps.get_model().tokenize(c.encode_utf8(&mut [0; 4])).unwrap_or_default();
            let is_text = |id: u32| vocab.kind(id) != TokenKind::Control;
            let written = tokens.iter().map(|token| Some(token.id).filter(|id| is_text(*id)));
            ids.extend(written.filter_map(|id| id.or(self.unknown)));
        }
    }
}

/// The crate takes text whose offset is not zero for text inside a longer one.
fn not_at_the_start(text: &str) -> NormalizedString {
    let longer = NormalizedString::from(format!(" {text}"));
    longer.slice(Range::Original(1..)).unwrap_or_else(|| NormalizedString::from(text))
}
