//! What a word may stand for: what is named before it, each thing once.

use std::ops::Range;

use super::{Among, N_CANDIDATES_MAX, Who};
use crate::inspector::InspectError;
use crate::text::{Mention, MentionKind, mentions};

/// Something that is named the same way in some places of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entity {
    /// As within a sentence, and not for the first time: "the bank", also where "A bank" stands.
    pub(super) name: String,
    /// In the order of the text.
    pub(super) places: Vec<Range<usize>>,
}

/// In the order of their first mentions; and how many more there are.
///
/// # Errors
/// A word that is not in the text, or nothing before it.
pub(super) fn entities(who: &Who) -> Result<(Vec<Entity>, usize), InspectError> {
    let Who { text, word, .. } = who;
    if word.is_empty() || text.get(word.clone()).is_none() {
        let what = format!("the word at {} to {}", word.start, word.end);
        return Err(InspectError::Unfit {
            what,
            expected: "bytes of whole characters of the text",
        });
    }
    let before = &text[..word.start];
    match &who.among {
        Among::Named(names) => {
            let named: Result<Vec<_>, _> = names.iter().map(|name| named(before, name)).collect();
            Ok((named?, 0))
        }
        Among::Mentions => {
            // The whole text is read: what follows may tell a name from a word.
            let mut all = grouped(text, &mentions(text), word.start);
            if all.is_empty() {
                let what = format!("nothing that {:?} may stand for", &text[word.clone()]);
                let expected = "names or phrases before it, or a list of them";
                return Err(InspectError::Unfit { what, expected });
            }
            let n_left_out = all.len().saturating_sub(N_CANDIDATES_MAX);
            all.sort_by_key(|entity| entity.places.last().map(|place| place.start));
            all.drain(..n_left_out);
            all.sort_by_key(|entity| entity.places.first().map(|place| place.start));
            Ok((all, n_left_out))
        }
    }
}

/// Mentions that end before `end`, of the same words together.
fn grouped(text: &str, mentions: &[Mention], end: usize) -> Vec<Entity> {
    let mut all: Vec<Entity> = Vec::new();
    let is_candidate =
        |m: &&Mention| m.bytes.end <= end && !matches!(m.kind, MentionKind::Pronoun(_));
    for mention in mentions.iter().filter(is_candidate) {
        let surface = &text[mention.bytes.clone()];
        let name = match mention.kind {
            MentionKind::Phrase => definite(&lower_first(surface)),
            _ => surface.to_owned(),
        };
        let is_same = |entity: &&mut Entity| entity.name.to_lowercase() == name.to_lowercase();
        match all.iter_mut().find(is_same) {
            Some(entity) => entity.places.push(mention.bytes.clone()),
            None => all.push(Entity { name, places: vec![mention.bytes.clone()] }),
        }
    }
    all
}

/// Where a name stands as whole words, in letters of any case.
fn named(before: &str, name: &str) -> Result<Entity, InspectError> {
    let name = name.trim();
    // Only letters that stay one byte change, so that places stay what they are.
    let (lower, wanted) = (before.to_ascii_lowercase(), name.to_ascii_lowercase());
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let places = lower.match_indices(&wanted).map(|(start, _)| start..start + wanted.len());
    let places = places.filter(|place| {
        let is_cut = is_word(before[..place.start].chars().next_back())
            || is_word(before[place.end..].chars().next());
        !place.is_empty() && !is_cut
    });
    let places: Vec<Range<usize>> = places.collect();
    if places.is_empty() {
        let what = format!("{name:?} does not stand before the word");
        return Err(InspectError::Unfit { what, expected: "names that the text has before it" });
    }
    Ok(Entity { name: name.to_owned(), places })
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}

/// "the dog" of "a dog".
fn definite(phrase: &str) -> String {
    let noun = phrase.strip_prefix("a ").or_else(|| phrase.strip_prefix("an "));
    noun.map_or_else(|| phrase.to_owned(), |noun| format!("the {noun}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: names, and how often each is mentioned.
    #[track_caller]
    fn check(text: &str, word: &str, among: Among, expected: &[(&str, usize)]) {
        let start = text.rfind(word).expect("a word of the text");
        let word = start..start + word.len();
        let who = Who { text: text.to_owned(), word, among, head_weights: None };
        let (found, n_left_out) = entities(&who).expect("candidates");
        let found = found.iter().map(|entity| (&entity.name[..], entity.places.len()));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{text}");
        assert_eq!(n_left_out, 0);
    }

    #[test]
    fn the_same_words_are_one_candidate() {
        let text = "A bank wrote to Maria. Maria knew the bank. Then it closed the office.";
        check(text, "it", Among::Mentions, &[("the bank", 2), ("Maria", 2)]);
    }

    #[test]
    fn named_candidates_are_whole_words_before_the_word() {
        let among = Among::Named(vec!["the cat".into(), "Ann".into()]);
        let text = "The cat saw Ann and Annabel. The catalogue fell, and the cat ran; it hid.";
        check(text, "it", among, &[("the cat", 2), ("Ann", 1)]);
        let fails = |among: Among, word: Range<usize>| {
            let who = Who { text: text.to_owned(), word, among, head_weights: None };
            assert!(entities(&who).is_err(), "{who:?}");
        };
        fails(Among::Named(vec!["the dog".into()]), 12..15);
        fails(Among::Named(vec![String::new()]), 12..15);
        fails(Among::Mentions, 0..3);
        fails(Among::Mentions, 5..5);
        fails(Among::Mentions, 5..5000);
    }
}
