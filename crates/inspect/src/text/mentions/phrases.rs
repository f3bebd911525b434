//! Phrases: a determiner, up to four words, the last of them a noun.

use std::ops::Range;

use super::names::Name;
use super::reading::{Gap, Word};
use super::{Mention, MentionKind, lexicon, verbs};

/// A determiner and what follows it, by their places in a sentence.
pub(super) struct Phrase {
    words: Range<usize>,
    head_idx: usize,
    /// What follows the determiner is all one name: "the Bank of Norway".
    name: Option<Range<usize>>,
}

impl Phrase {
    pub(super) fn is_name(&self, name: &Name) -> bool {
        self.name.as_ref() == Some(&name.words)
    }

    pub(super) fn mention(&self, words: &[Word]) -> Mention {
        let (first, last) = (&words[self.words.start], &words[self.words.end - 1]);
        let kind = if self.name.is_some() { MentionKind::Name } else { MentionKind::Phrase };
        Mention {
            bytes: first.start..last.base_bytes().end,
            head_bytes: words[self.head_idx].base_bytes(),
            kind,
        }
    }
}

pub(super) fn phrases(words: &[Word], names: &[Name]) -> Vec<Phrase> {
    let determiners = (0..words.len()).filter(|&idx| lexicon::is_determiner(words[idx].base));
    determiners.flat_map(|idx| from_determiner(words, names, idx)).collect()
}

/// "the tenant" and "the tenant's lawyer" of "the tenant's lawyer"
fn from_determiner(words: &[Word], names: &[Name], determiner: usize) -> Vec<Phrase> {
    let Some(end) = phrase_end(words, names, determiner) else { return Vec::new() };
    let owner = (determiner + 1..end - 1).find(|&idx| words[idx].is_possessive);
    let ends = owner.map(|owner| owner + 1).into_iter().chain([end]);
    ends.map(|end| {
        let after = determiner + 1..end;
        let name = names.iter().find(|name| name.words == after);
        let head_idx = name.map_or(end - 1, |name| name.head_idx);
        Phrase { words: determiner..end, head_idx, name: name.map(|name| name.words.clone()) }
    })
    .collect()
}

/// Behind the last noun that belongs to a determiner; nothing where there is none.
fn phrase_end(words: &[Word], names: &[Name], determiner: usize) -> Option<usize> {
    const N_WORDS_MAX: usize = 4;
    let start = determiner + 1;
    let mut end = start;
    for _ in 0..N_WORDS_MAX {
        match words.get(end) {
            Some(word) if word.gap == Gap::Space && may_follow(words, determiner, end) => {
                // A name counts as one word.
                let name = names.iter().find(|name| name.words.start == end);
                end = name.map_or(end + 1, |name| name.words.end);
            }
            _ => break,
        }
    }
    let is_named = |idx: usize| names.iter().any(|name| name.words.contains(&idx));
    let is_noun = |idx: usize| is_named(idx) || lexicon::may_be_noun(words[idx].base);
    (start..end).rev().find(|&idx| is_noun(idx)).map(|idx| idx + 1)
}

/// Whether the word at `idx` may be a part of the phrase.
fn may_follow(words: &[Word], determiner: usize, idx: usize) -> bool {
    let is_second = idx == determiner + 1;
    let lower = words[idx].base.to_lowercase();
    // "that" before a name, or a plural, begins a clause: "said that Maria", "that prices rise".
    let is_plural = lower.ends_with('s') && !lower.ends_with("ss");
    let is_clause = words[determiner].base == "that" && (words[idx].is_capitalised() || is_plural);
    if lexicon::is_function(words[idx].base) || is_second && is_clause {
        return false;
    }
    is_second || !verbs::is_verb(&lower)
}
