//! Which sentences of a text may contradict each other: attention proposes pairs, the model judges.

mod judge;
mod pairs;

use serde::Serialize;

use super::LookedPart;
use super::spelled::Spelled;
use crate::inspector::{InspectError, Inspector};
use crate::text::sentences;

pub use judge::{Judge, Judged};
pub use pairs::{N_SENTENCES_MAX, Pair, proposed};

#[derive(Clone, Debug)]
pub struct Contradict {
    pub text: String,
    /// Pairs that the model judges, at most.
    pub n_pairs: usize,
    /// `[n_layers, n_heads]`: what each head counts in proposing; `None`: all alike.
    pub head_weights: Option<Vec<f32>>,
}

/// Pairs that the model judges unless somebody says otherwise, and at most: each takes eight scores
/// and more.
pub const N_PAIRS: usize = 10;
pub const N_PAIRS_MAX: usize = 1000;

pub const CONTRADICT_CAVEAT: &str = "a pair that attention does not propose is not judged, and \
     small models judge badly: read the sentences";

#[derive(Clone, Debug, Serialize)]
pub struct Contradicted {
    pub sentences: Vec<LookedPart>,
    /// The likeliest contradiction first.
    pub pairs: Vec<JudgedPair>,
    /// All pairs of two sentences: what the judged ones were chosen from.
    pub n_pairs_all: usize,
    pub caveat: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JudgedPair {
    #[serde(flatten)]
    pub pair: Pair,
    pub judged: Judged,
}

/// # Errors
/// A text of less than two sentences, or too many; what becomes of requests.
pub fn contradict(
    inspector: &mut Inspector<'_>,
    judge: &mut Judge<'_>,
    question: &Contradict,
) -> Result<Contradicted, InspectError> {
    let parts = parts(inspector, &question.text)?;
    let mut pairs = proposed(inspector, &question.text, question.head_weights.clone())?;
    let n_pairs_all = pairs.len();
    pairs.truncate(question.n_pairs);
    let mut judged = Vec::new();
    for pair in pairs {
        let both = [pair.first_idx, pair.second_idx].map(|idx| &parts[idx].text[..]);
        judged.push(JudgedPair { pair, judged: judge.pair(inspector, both)? });
    }
    judged.sort_by(|a, b| b.judged.score.total_cmp(&a.judged.score));
    Ok(Contradicted { sentences: parts, pairs: judged, n_pairs_all, caveat: CONTRADICT_CAVEAT })
}

/// The sentences of a text.
///
/// # Errors
/// Less than two, or too many.
fn parts(inspector: &Inspector<'_>, text: &str) -> Result<Vec<LookedPart>, InspectError> {
    let spelled = Spelled::new(inspector, text)?;
    let found = sentences(text);
    if !(2..=N_SENTENCES_MAX).contains(&found.len()) {
        let what = format!("a text of {} sentences", found.len());
        return Err(InspectError::Unfit { what, expected: "2 to 2000 sentences" });
    }
    let part = |bytes: std::ops::Range<usize>| {
        let tokens = spelled.tokens(bytes.clone())?;
        Ok(LookedPart { text: text[bytes.clone()].to_owned(), bytes, tokens })
    };
    found.into_iter().map(part).collect()
}
