//! Two answers to a question about a document: what it says, and what it does not.

use super::Half;
use super::fact_templates::Fact;
use super::facts::{FactDocument, write};
use super::random::Random;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroundingCase {
    pub facts: FactDocument,
    /// A sentence of the document: its gold one.
    pub grounded: String,
    /// One of the same form and about the same thing, with another answer.
    pub ungrounded: String,
    pub untruth: Untruth,
}

/// Where the answer of the ungrounded sentence comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Untruth {
    /// It does not stand in the document.
    Invented,
    /// It stands there, about something else.
    Borrowed,
}

/// A document of `n_sentences` with a true and an untrue answer.
pub fn grounding(seed: u64, half: Half, n_sentences: usize) -> GroundingCase {
    let random = &mut Random::new(seed);
    let (facts, planted) = write(random, half, n_sentences);
    let fact = planted.fact;
    let rival = planted.rivals.first().filter(|_| random.below(2) == 0);
    let borrowed = rival.and_then(|rival| fact.answered_as(rival, random));
    let other = borrowed.unwrap_or_else(|| invented(&fact, &facts.document, random));
    let is_there = facts.document.contains(&other.answer);
    let untruth = if is_there { Untruth::Borrowed } else { Untruth::Invented };
    GroundingCase { facts, grounded: fact.sentence, ungrounded: other.sentence, untruth }
}

/// An answer that does not stand in the document, unless that has all days of the week, or cities.
fn invented(fact: &Fact, document: &str, random: &mut Random) -> Fact {
    const N_TRIES: usize = 100;
    let mut other = fact.answered_otherwise(random);
    for _ in 0..N_TRIES {
        if !document.contains(&other.answer) {
            break;
        }
        other = fact.answered_otherwise(random);
    }
    other
}
