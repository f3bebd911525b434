//! Names: runs of words with capital letters that are not there for their place alone.

use std::collections::HashSet;
use std::ops::Range;

use super::reading::{Gap, Reading, Word};
use super::{Mention, MentionKind, lexicon, verbs};

/// The words of a name, by their places in a sentence.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) words: Range<usize>,
    pub(super) head_idx: usize,
}

impl Name {
    pub(super) fn mention(&self, words: &[Word]) -> Mention {
        let (first, last) = (&words[self.words.start], &words[self.words.end - 1]);
        Mention {
            bytes: first.start..last.base_bytes().end,
            head_bytes: words[self.head_idx].base_bytes(),
            kind: MentionKind::Name,
        }
    }
}

/// How words are written where their place does not ask for a capital letter.
pub(super) struct Seen {
    capitalised: HashSet<String>,
    lower: HashSet<String>,
}

impl Seen {
    pub(super) fn new(readings: &[Reading]) -> Self {
        let words = || readings.iter().flat_map(|reading| &reading.words);
        let capitalised = words().filter(|word| !word.is_first && word.is_capitalised());
        let lower = words().filter(|word| !word.is_capitalised());
        Self {
            capitalised: capitalised.map(|word| word.base.to_owned()).collect(),
            lower: lower.map(|word| word.base.to_owned()).collect(),
        }
    }
}

pub(super) fn names(words: &[Word], seen: &Seen) -> Vec<Name> {
    let mut found = Vec::new();
    let mut idx = 0;
    while idx < words.len() {
        if !may_name(&words[idx]) {
            idx += 1;
            continue;
        }
        let end = run_end(words, idx);
        let is_alone = end == idx + 1;
        if !(is_alone && words[idx].is_first) || is_evident(words, idx, seen) {
            found.push(Name { words: idx..end, head_idx: head(words, idx..end) });
        }
        idx = end;
    }
    found
}

/// A word that a name can begin or go on with.
fn may_name(word: &Word) -> bool {
    let is_other = lexicon::is_function(word.base) || lexicon::is_calendar(word.base);
    word.is_capitalised() && !is_other
}

/// The end of the run of words that begins with `start`.
fn run_end(words: &[Word], start: usize) -> usize {
    let mut end = start + 1;
    while let Some(next) = next_end(words, end) {
        end = next;
    }
    end
}

/// The end of a run that goes to `end`, one step longer.
fn next_end(words: &[Word], end: usize) -> Option<usize> {
    let last = &words[end - 1];
    let next = words.get(end)?;
    if last.is_possessive {
        return None;
    }
    if matches!(next.gap, Gap::Space | Gap::Comma) && lexicon::is_company_suffix(next.base) {
        return Some(end + 1);
    }
    let is_near = match next.gap {
        Gap::Space => true,
        Gap::Point => last.is_initial() || lexicon::is_title(last.base),
        Gap::And => may_name(next),
        Gap::Comma | Gap::Other => false,
    };
    if !is_near {
        return None;
    }
    if may_name(next) {
        return Some(end + 1);
    }
    let goes_on = |idx: usize| words.get(idx).is_some_and(|w| w.gap == Gap::Space && may_name(w));
    match next.base {
        "and" => (goes_on(end + 1) && is_company(words, end + 1)).then_some(end + 2),
        "of" if words.get(end + 1).is_some_and(|word| word.base == "the") => {
            goes_on(end + 2).then_some(end + 3)
        }
        particle if lexicon::is_particle(particle) => goes_on(end + 1).then_some(end + 2),
        _ => None,
    }
}

/// Whether the words after "and" end as companies do: "Johnson and Sons", "Keller and Vogel Ltd".
fn is_company(words: &[Word], start: usize) -> bool {
    let end = run_end(words, start);
    let last = words[end - 1].base;
    lexicon::is_company_suffix(last) || lexicon::is_company_word(last)
}

/// Whether the first word of a sentence is a name by more than its capital letter.
fn is_evident(words: &[Word], idx: usize, seen: &Seen) -> bool {
    let word = &words[idx];
    let has_more = word.base.chars().skip(1).any(|c| c.is_uppercase() || c.is_numeric());
    if has_more || word.is_possessive || seen.capitalised.contains(word.base) {
        return true;
    }
    let lower = word.base.to_lowercase();
    let is_form = lower.ends_with("ing") || lower.ends_with("ly") || lower.ends_with("ed");
    let Some(next) = words.get(idx + 1).filter(|next| next.gap == Gap::Space) else { return false };
    // Plurals begin sentences without an article; their verbs have no s.
    let is_singular = !lower.ends_with('s') || next.base.ends_with('s');
    let is_verb = verbs::is_verb(next.base) || next.base.ends_with("ed");
    is_verb && is_singular && !is_form && !seen.lower.contains(&lower)
}

/// The last word before "of" and what stands for the form of a company.
fn head(words: &[Word], run: Range<usize>) -> usize {
    let inside = &words[run.clone()];
    let of = inside.iter().position(|word| word.base == "of").unwrap_or(inside.len());
    let is_head = |word: &Word| !lexicon::is_company_suffix(word.base);
    let head = inside[..of].iter().rposition(is_head).unwrap_or(0);
    run.start + head
}
