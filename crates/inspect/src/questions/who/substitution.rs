//! How likely what follows is with a candidate in the word's place (Trinh & Le 2018).
//!
//! Their partial score is `ln p(after | before, candidate)`: how likely the candidate itself is
//! does not count, so that frequent names do not win.

use std::ops::Range;

use serde::Serialize;

use super::super::spelled::Spelled;
use super::{Candidate, Who};
use crate::inspector::{InspectError, Inspector};
use crate::text::{MentionKind, mentions};

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Substituted {
    /// `ln p` of what follows in the sentence: the partial score.
    pub logprob_after: f64,
    /// `ln p` of the candidate's tokens in that place.
    pub logprob_name: f64,
    /// The partial scores as shares of all candidates: `p_c / sum_c p_c`.
    pub probability: f64,
    /// One over the number of candidates: the baseline of `probability`.
    pub probability_if_even: f64,
}

/// The place of the word, and how a candidate is written there.
pub(super) struct Slot<'a> {
    before: &'a str,
    after: &'a str,
    case: Case,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Plain,
    /// "his car": "Maria's car".
    Possessive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Within,
    StartOfSentence,
}

impl<'a> Slot<'a> {
    pub(super) fn of(who: &'a Who, sentence: &Range<usize>) -> Self {
        let word = &who.word;
        let is_owner = mentions(&who.text)
            .iter()
            .any(|m| m.kind == MentionKind::Phrase && m.bytes.start == word.start);
        let is_pronoun = mentions(&who.text)
            .iter()
            .any(|m| matches!(m.kind, MentionKind::Pronoun(_)) && m.bytes == *word);
        Self {
            before: &who.text[..word.start],
            after: &who.text[word.end..sentence.end],
            case: if is_owner && is_pronoun { Case::Possessive } else { Case::Plain },
            place: match sentence.start == word.start {
                true => Place::StartOfSentence,
                false => Place::Within,
            },
        }
    }

    /// Whether words follow in the sentence.
    pub(super) fn says_more(&self) -> bool {
        self.after.contains(char::is_alphanumeric)
    }

    /// The text to the end of the sentence, and where in it the candidate stands.
    fn with(&self, name: &str) -> (String, Range<usize>) {
        let mut letters = name.chars();
        let first = letters.next();
        let mut written = match self.place {
            Place::Within => name.to_owned(),
            Place::StartOfSentence => {
                first.into_iter().flat_map(char::to_uppercase).chain(letters).collect()
            }
        };
        if self.case == Case::Possessive {
            written.push_str("'s");
        }
        let start = self.before.len();
        let text = [self.before, &written, self.after].concat();
        (text, start..start + written.len())
    }
}

/// Scores each candidate in the word's place.
pub(super) fn judge(
    inspector: &mut Inspector<'_>,
    slot: &Slot<'_>,
    candidates: &mut [Candidate],
) -> Result<(), InspectError> {
    for candidate in candidates.iter_mut() {
        let (text, place) = slot.with(&candidate.name);
        let spelled = Spelled::new(inspector, &text)?;
        let tokens = spelled.tokens(place)?;
        let scored = inspector.score(&spelled.ids, tokens.start)?.prompt;
        let (name, after) = scored.split_at(tokens.len().min(scored.len()));
        let sum = |tokens: &[engine::PromptToken]| {
            tokens.iter().map(|token| f64::from(token.logprob)).sum::<f64>()
        };
        candidate.substituted = Some(Substituted {
            logprob_after: sum(after),
            logprob_name: sum(name),
            probability: 0.0,
            probability_if_even: 0.0,
        });
    }
    let mut judged: Vec<_> =
        candidates.iter_mut().filter_map(|candidate| candidate.substituted.as_mut()).collect();
    let best = judged.iter().map(|judged| judged.logprob_after).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = judged.iter().map(|judged| (judged.logprob_after - best).exp()).sum();
    let n = judged.len() as f64;
    for judged in &mut judged {
        judged.probability = (judged.logprob_after - best).exp() / sum;
        judged.probability_if_even = 1.0 / n;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Among;
    use super::*;

    #[track_caller]
    fn check(text: &str, word: &str, name: &str, expected: &str) {
        let start = text.rfind(word).expect("a word of the text");
        let who = Who {
            text: text.to_owned(),
            word: start..start + word.len(),
            among: Among::Mentions,
            head_weights: None,
        };
        let sentence = text.rfind(". ").map_or(0, |stop| stop + 2)..text.len();
        let (found, place) = Slot::of(&who, &sentence).with(name);
        assert_eq!(found, expected);
        assert!(found[place].to_lowercase().starts_with(&name.to_lowercase()));
    }

    #[test]
    fn candidates_are_written_as_their_place_asks() {
        check("A dog. It barked.", "It", "the dog", "A dog. The dog barked.");
        check("A dog. Then it barked.", "it", "the dog", "A dog. Then the dog barked.");
        check("She saw his car.", "his", "Peter", "She saw Peter's car.");
        check("We met her.", "her", "Anna", "We met Anna.");
        check("We lost her keys.", "her", "Anna", "We lost Anna's keys.");
        check("The bank closed.", "The bank", "the office", "The office closed.");
    }
}
