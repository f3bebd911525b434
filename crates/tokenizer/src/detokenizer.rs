//! Token ids to text, one at a time.

use crate::tokenizer::{Special, Tokenizer};

/// Turns ids into text as they are made. The deltas joined are [`Tokenizer::decode`] of the ids.
///
/// A character spread over several tokens appears when its last byte is there; bytes that can no
/// longer become a character appear as U+FFFD.
#[derive(Clone, Debug)]
pub struct Detokenizer {
    tokenizer: Tokenizer,
    /// The start of a character whose rest is still to come; at most three bytes.
    pending: Vec<u8>,
    place: Place,
    /// Control tokens that show, sorted.
    shown: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// No visible token yet: the space that encoding put there is not part of the text.
    Start,
    Inside,
}

impl Detokenizer {
    pub(crate) fn new(tokenizer: Tokenizer, place: Place) -> Self {
        Self { tokenizer, pending: Vec::new(), place, shown: Vec::new() }
    }

    /// The same with control tokens that show, each as it is named.
    #[must_use]
    pub fn showing(self, ids: &[u32]) -> Self {
        let mut shown = ids.to_vec();
        shown.sort_unstable();
        Self { shown, ..self }
    }

    /// The text that this token completes; empty for a control token that does not show.
    pub fn push(&mut self, id: u32) -> String {
        let is_shown = self.shown.binary_search(&id).is_ok();
        let special = if is_shown { Special::Show } else { Special::Hide };
        let bytes = self.tokenizer.token_bytes(id, special);
        let visible = match bytes {
            [b' ', rest @ ..] if self.place == Place::Start => {
                if self.tokenizer.starts_with_space() { rest } else { bytes }
            }
            _ => bytes,
        };
        if !bytes.is_empty() {
            self.place = Place::Inside;
        }
        self.pending.extend_from_slice(visible);
        self.take_complete()
    }

    /// Whether the last token ended within a character.
    pub fn is_inside_character(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What is left when no more tokens come: U+FFFD if a character was cut off.
    pub fn finish(&mut self) -> String {
        let rest = std::mem::take(&mut self.pending);
        String::from_utf8_lossy(&rest).into_owned()
    }

    fn take_complete(&mut self) -> String {
        let mut text = String::new();
        let mut done = 0;
        for chunk in self.pending.utf8_chunks() {
            text.push_str(chunk.valid());
            done += chunk.valid().len();
            let invalid = chunk.invalid();
            let may_go_on = done + invalid.len() == self.pending.len() && is_cut_off(invalid);
            if !invalid.is_empty() && !may_go_on {
                text.push(char::REPLACEMENT_CHARACTER);
                done += invalid.len();
            }
        }
        self.pending.drain(..done);
        text
    }
}

/// Whether the bytes are the start of a character, as opposed to no character at all.
fn is_cut_off(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}
