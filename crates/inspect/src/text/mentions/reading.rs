//! One sentence as words, with what stands between them.

use std::ops::Range;

use super::super::words;
use super::lexicon;

pub(super) struct Reading<'a> {
    pub(super) words: Vec<Word<'a>>,
}

pub(super) struct Word<'a> {
    /// Without what an apostrophe adds: "Maria" of "Maria's", "it" of "it's".
    pub(super) base: &'a str,
    pub(super) start: usize,
    /// Whether "'s" follows.
    pub(super) is_possessive: bool,
    /// What stands between the word before and this one.
    pub(super) gap: Gap,
    /// Whether a capital letter says nothing: the first word, also of a quotation.
    pub(super) is_first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    Space,
    /// ". ", after an initial or a title
    Point,
    /// ", "
    Comma,
    /// " & "
    And,
    Other,
}

impl Reading<'_> {
    pub(super) fn new(text: &str, sentence: Range<usize>) -> Reading<'_> {
        let inside = &text[sentence.clone()];
        let mut read: Vec<Word> = Vec::new();
        let mut end = 0;
        for range in joined(inside, words(inside)) {
            let before = &inside[end..range.start];
            let word = &inside[range.clone()];
            let base = lexicon::without_clitic(word);
            read.push(Word {
                base,
                start: sentence.start + range.start,
                is_possessive: matches!(&word[base.len()..], "'s" | "’s"),
                gap: gap(before),
                is_first: read.iter().all(|word| !word.base.contains(char::is_alphabetic))
                    || before.contains(['"', '“', '„', '«', ':', '(']),
            });
            end = range.end;
        }
        Reading { words: read }
    }
}

impl Word<'_> {
    pub(super) fn base_bytes(&self) -> Range<usize> {
        self.start..self.start + self.base.len()
    }

    pub(super) fn is_capitalised(&self) -> bool {
        self.base.starts_with(char::is_uppercase)
    }

    /// A capital letter alone, which a full stop may follow.
    pub(super) fn is_initial(&self) -> bool {
        self.is_capitalised() && self.base.chars().count() == 1
    }
}

/// Words that hyphens join, as one.
fn joined(text: &str, words: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for word in words {
        match found.last_mut() {
            Some(last) if &text[last.end..word.start] == "-" => last.end = word.end,
            _ => found.push(word),
        }
    }
    found
}

fn gap(between: &str) -> Gap {
    match between.trim_end() {
        "" => Gap::Space,
        "." => Gap::Point,
        "," => Gap::Comma,
        between if between.trim_start() == "&" => Gap::And,
        _ => Gap::Other,
    }
}
