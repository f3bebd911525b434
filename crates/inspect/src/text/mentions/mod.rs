//! Mentions: what a pronoun may stand for, found without a model.

mod lexicon;
mod names;
mod phrases;
mod reading;
mod verbs;

use std::ops::Range;

use serde::Serialize;

use super::sentences;
use reading::Reading;

/// Words that name something, or stand for something named elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mention {
    pub bytes: Range<usize>,
    /// The word that the others belong to: "car" of "the red car", "Keller" of "Maria Keller".
    pub head_bytes: Range<usize>,
    pub kind: MentionKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MentionKind {
    Name,
    /// A noun behind an article, a demonstrative or a possessive.
    Phrase,
    Pronoun(Pronoun),
}

/// Pronouns by whom they stand for, in all their cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pronoun {
    I,
    You,
    He,
    She,
    It,
    We,
    They,
}

/// The mentions of an English text, by where they start, the longer first where two start together.
///
/// They are candidates: closed lists of words and capital letters find them, no grammar. Known
/// limits:
/// - nouns without a determiner are none: "rain", "two tenants", "Clause 4";
/// - what follows a noun is left out: "the car" of "the car that I sold";
/// - a name that only ever begins sentences is one where a verb or a possessive follows it, so
///   "Payment is due" counts "Payment" as a name;
/// - "this" and "that" alone are no pronouns, as they mostly stand for what was said;
/// - "it" is one even where it stands for nothing: "it rains".
///
/// A mention may lie within another one: "Lisbon" in "the Lisbon office", "his" in "his car".
pub fn mentions(text: &str) -> Vec<Mention> {
    let readings: Vec<Reading> =
        sentences(text).into_iter().map(|sentence| Reading::new(text, sentence)).collect();
    let seen = names::Seen::new(&readings);
    let mut found: Vec<Mention> =
        readings.iter().flat_map(|reading| of_sentence(reading, &seen)).collect();
    found.sort_by_key(|mention| (mention.bytes.start, std::cmp::Reverse(mention.bytes.end)));
    found
}

fn of_sentence(reading: &Reading, seen: &names::Seen) -> Vec<Mention> {
    let words = &reading.words;
    let names = names::names(words, seen);
    let phrases = phrases::phrases(words, &names);
    let pronouns = words.iter().filter_map(|word| {
        let kind = MentionKind::Pronoun(lexicon::pronoun(word.base)?);
        let bytes = word.base_bytes();
        Some(Mention { head_bytes: bytes.clone(), bytes, kind })
    });
    let is_named = |name: &names::Name| !phrases.iter().any(|phrase| phrase.is_name(name));
    let names = names.iter().filter(|name| is_named(name)).map(|name| name.mention(words));
    pronouns.chain(names).chain(phrases.iter().map(|phrase| phrase.mention(words))).collect()
}

#[cfg(test)]
mod tests;
