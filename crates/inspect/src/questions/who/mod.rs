//! Which earlier mention a word stands for, and which others it might.

mod attention;
mod candidates;
mod substitution;

use std::ops::Range;

use model::kv::Hidden;
use serde::Serialize;

use super::LookedPart;
use super::spelled::Spelled;
use crate::inspector::{InspectError, Inspector};
use crate::text::sentences;

pub use attention::Read;
pub use substitution::Substituted;

use candidates::Entity;
use substitution::Slot;

/// A text and a word of it.
#[derive(Clone, Debug)]
pub struct Who {
    pub text: String,
    /// Bytes of the text: a pronoun, or a noun that names something again.
    pub word: Range<usize>,
    pub among: Among,
    /// `[n_layers, n_heads]`: what each head counts; `None`: all alike.
    pub head_weights: Option<Vec<f32>>,
}

/// What the word may stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Among {
    /// Names and phrases before the word, the nearest [`N_CANDIDATES_MAX`].
    Mentions,
    /// What is called so before the word.
    Named(Vec<String>),
}

/// Candidates that are found in a text at most: each takes passes of its own.
pub const N_CANDIDATES_MAX: usize = 16;
/// Mentions of a candidate that are hidden at most, the last ones.
pub const N_HIDDEN_MAX: usize = 4;

pub const WHO_CAVEAT: &str = "the ranking is of what the model expects, not of what the writer \
     meant; attention in the mean over heads is hardly better than chance on planted passages; the \
     loss without a mention is a lower bound";

/// What a word stands for.
#[derive(Clone, Debug, Serialize)]
pub struct WhoFound {
    pub word: LookedPart,
    /// The sentence with the word.
    pub sentence: String,
    pub ranked_by: Measure,
    /// The best first.
    pub candidates: Vec<Candidate>,
    /// Candidates before the nearest ones, which were not tried.
    pub n_left_out: usize,
    /// Which of `candidates` attention prefers.
    pub first_by_attention: usize,
    /// Whether both put the same one first.
    pub do_agree: bool,
    /// Tokens before the word that can be read, and those behind it in its sentence.
    pub n_tokens_before: usize,
    pub n_tokens_after: usize,
    /// What the word's row left to the first token and to learned sinks: no part of any share.
    pub sink: f64,
    /// `ln p` of what follows the word in its sentence, as it stands.
    pub logprob_after: Option<f64>,
    pub caveat: &'static str,
}

/// What can rank candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// How likely what follows is with the candidate in the word's place.
    Substitution,
    /// How likely the candidate is there, with what follows.
    WholeSubstitution,
    /// The log-lift in the word's own row.
    OwnRow,
    /// The log-lift in the rows behind the word.
    RowsAfter,
    /// What the rest of the sentence loses without the mention.
    KnockOut,
}

impl Measure {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Substitution => "substitution",
            Self::WholeSubstitution => "whole substitution",
            Self::OwnRow => "own row",
            Self::RowsAfter => "rows after",
            Self::KnockOut => "knock-out",
        }
    }
}

/// Something that the word may stand for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    pub name: String,
    pub mentions: Vec<CandidateMention>,
    /// Of all mentions.
    pub n_tokens: usize,
    /// What the word's own row read of it.
    pub own: Option<Read>,
    /// The same of the rows behind the word in its sentence.
    pub after: Option<Read>,
    /// In nats, the most of all mentions.
    pub knock_out: Option<f64>,
    pub substituted: Option<Substituted>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CandidateMention {
    /// Of the text.
    pub bytes: Range<usize>,
    pub tokens: Range<usize>,
    /// What the rest of the sentence loses without it, in nats.
    pub knock_out: Option<f64>,
}

impl Who {
    /// # Errors
    /// A word outside the text, and no candidates before it: what no model is needed for.
    pub fn check(&self) -> Result<(), InspectError> {
        candidates::entities(self).map(|_| ())
    }
}

/// # Errors
/// A word outside the text, no candidates before it, and what becomes of requests.
pub fn who(inspector: &mut Inspector<'_>, who: &Who) -> Result<WhoFound, InspectError> {
    let (entities, n_left_out) = candidates::entities(who)?;
    let sentence = sentence_of(who);
    let spelled = Spelled::new(inspector, &who.text[..sentence.end])?;
    let word = spelled.tokens(who.word.clone())?;
    let mut found = Vec::new();
    for entity in &entities {
        found.push(candidate(&spelled, entity)?);
    }
    let read = attention::read(inspector, who, &spelled.ids, &word, &mut found)?;
    let logprob_after = knock_out(inspector, &spelled.ids, &word, &mut found)?;
    let slot = Slot::of(who, &sentence);
    substitution::judge(inspector, &slot, &mut found)?;

    // Where no words follow, the partial scores are of a full stop.
    let ranked_by =
        if slot.says_more() { Measure::Substitution } else { Measure::WholeSubstitution };
    found.sort_by(|a, b| b.by(ranked_by).total_cmp(&a.by(ranked_by)));
    let attention = |candidate: &Candidate| candidate.by(Measure::OwnRow);
    let by_attention = (0..found.len()).rev();
    let first_by_attention = by_attention
        .max_by(|&a, &b| attention(&found[a]).total_cmp(&attention(&found[b])))
        .unwrap_or(0);
    Ok(WhoFound {
        word: LookedPart {
            text: who.text[who.word.clone()].to_owned(),
            bytes: who.word.clone(),
            tokens: word.clone(),
        },
        sentence: who.text[sentence].to_owned(),
        ranked_by,
        candidates: found,
        n_left_out,
        first_by_attention,
        do_agree: first_by_attention == 0,
        n_tokens_before: word.start - 1,
        n_tokens_after: spelled.ids.len() - word.end,
        sink: read,
        logprob_after,
        caveat: WHO_CAVEAT,
    })
}

/// The sentence that the word stands in.
fn sentence_of(who: &Who) -> Range<usize> {
    let holds = |sentence: &Range<usize>| sentence.contains(&who.word.start);
    let found = sentences(&who.text).into_iter().find(holds);
    let found = found.unwrap_or(who.word.clone());
    found.start..found.end.max(who.word.end)
}

fn candidate(spelled: &Spelled, entity: &Entity) -> Result<Candidate, InspectError> {
    let mention = |bytes: &Range<usize>| {
        let tokens = spelled.tokens(bytes.clone())?;
        Ok(CandidateMention { bytes: bytes.clone(), tokens, knock_out: None })
    };
    let mentions: Result<Vec<_>, InspectError> = entity.places.iter().map(mention).collect();
    Ok(Candidate {
        name: entity.name.clone(),
        mentions: mentions?,
        n_tokens: 0,
        own: None,
        after: None,
        knock_out: None,
        substituted: None,
    })
}

/// Hides mentions, one at a time, from the word and what follows it; returns `ln p` of the latter
/// with all in sight.
fn knock_out(
    inspector: &mut Inspector<'_>,
    ids: &[u32],
    word: &Range<usize>,
    found: &mut [Candidate],
) -> Result<Option<f64>, InspectError> {
    if word.end == ids.len() {
        return Ok(None);
    }
    let all = inspector.score(ids, word.end)?.logprob();
    let from = word.start as u32;
    let last = |candidate: &mut Candidate| candidate.mentions.len().saturating_sub(N_HIDDEN_MAX);
    for candidate in found {
        let first = last(candidate);
        let mentions = &mut candidate.mentions[first..];
        // A token of the mention may be one of the word too.
        let keys = mentions.iter().map(|mention| mention.tokens.clone());
        let keys = keys.map(|keys| keys.start as u32..(keys.end as u32).min(from));
        let hidden: Vec<Hidden> = keys.map(|keys| Hidden { keys, from }).collect();
        let scores = inspector.score_without(ids, word.end, hidden)?;
        for (mention, score) in mentions.iter_mut().zip(scores) {
            mention.knock_out = Some(all - score);
        }
        let losses = mentions.iter().filter_map(|mention| mention.knock_out);
        candidate.knock_out = losses.reduce(f64::max);
    }
    Ok(Some(all))
}

impl Candidate {
    /// What it is ranked by; the least of all where it is not known.
    pub fn by(&self, measure: Measure) -> f64 {
        let known = match measure {
            Measure::Substitution => self.substituted.map(|judged| judged.logprob_after),
            Measure::WholeSubstitution => {
                self.substituted.map(|judged| judged.logprob_name + judged.logprob_after)
            }
            Measure::OwnRow => self.own.map(|read| read.log_lift),
            Measure::RowsAfter => self.after.map(|read| read.log_lift),
            Measure::KnockOut => self.knock_out,
        };
        known.unwrap_or(f64::NEG_INFINITY)
    }
}
