//! A document while it is written, with the places of what it says.

use std::ops::Range;

#[derive(Default)]
pub(super) struct Draft {
    pub(super) text: String,
    pub(super) sentences: Vec<Range<usize>>,
}

impl Draft {
    /// Adds a sentence after a space, and says where it came to lie.
    pub(super) fn push(&mut self, sentence: &str) -> Range<usize> {
        self.push_after(" ", sentence)
    }

    /// Adds a sentence after `gap`, which nothing stands before at the start.
    pub(super) fn push_after(&mut self, gap: &str, sentence: &str) -> Range<usize> {
        if !self.text.is_empty() {
            self.text.push_str(gap);
        }
        let start = self.text.len();
        self.text.push_str(sentence);
        self.sentences.push(start..self.text.len());
        start..self.text.len()
    }
}

/// Where `part`, which stands once in the text within `range`, lies.
pub(super) fn place(text: &str, range: &Range<usize>, part: &str) -> Range<usize> {
    let offset = text[range.clone()].find(part).expect("a sentence holds what it was made of");
    range.start + offset..range.start + offset + part.len()
}
