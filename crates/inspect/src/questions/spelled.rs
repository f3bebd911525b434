//! A text as the tokens that a model reads, none of its own being the first.

use std::ops::Range;

use engine::SpecialText;

use crate::inspector::{InspectError, Inspector};
use crate::text::{Span, TokenText};

/// The first key of a text takes what is needed nowhere, so that no word of a text is to be it:
/// where the model puts no token of its own before texts, a line break is.
pub(super) struct Spelled {
    pub(super) ids: Vec<u32>,
    text: TokenText,
    /// Bytes before the text.
    n_before: usize,
}

impl Spelled {
    /// # Errors
    /// A text that is empty, or that the tokenizer changes.
    pub(super) fn new(inspector: &Inspector<'_>, text: &str) -> Result<Self, InspectError> {
        if text.trim().is_empty() {
            return Err(InspectError::Empty { what: "the text" });
        }
        let tokenizer = inspector.tokenizer;
        let ids = match tokenizer.bos().filter(|_| tokenizer.adds_bos()) {
            Some(_) => tokenizer.encode_prompt(text, SpecialText::AsText),
            None => tokenizer.encode_prompt(&format!("\n{text}"), SpecialText::AsText),
        };
        let shown = inspector.text(&ids);
        let expected = "characters that the model's tokenizer leaves as they are";
        let unfit = |_| InspectError::Unfit { what: "the text".to_owned(), expected };
        let n_before = shown.find(text, 0).map_err(unfit)?.start;
        Ok(Self { ids, text: shown, n_before })
    }

    /// The tokens that hold a part of the text.
    ///
    /// # Errors
    /// Bytes that are not of the text.
    pub(super) fn tokens(&self, bytes: Range<usize>) -> Result<Range<usize>, InspectError> {
        let Span { tokens, .. } =
            self.text.span(bytes.start + self.n_before..bytes.end + self.n_before)?;
        Ok(tokens)
    }
}
