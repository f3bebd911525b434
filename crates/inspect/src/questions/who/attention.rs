//! How much of attention candidates get, from the word's own row and from those behind it.

use std::ops::Range;

use model::batch::KeysOf;
use serde::Serialize;

use super::{Candidate, Who};
use crate::capture::{Found, Lens, SourceRow, SourcesPlan};
use crate::inspector::{InspectError, Inspector};

/// What some rows read of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Read {
    /// The share of all mentions in what goes to tokens before the word, the first token apart, in
    /// the mean over rows and heads.
    pub share: f64,
    /// What it would be if all these tokens got the same: the baseline of `share`.
    pub share_if_even: f64,
    /// `ln` of the mean weight of the mentions' tokens over that of all others before the word.
    pub log_lift: f64,
}

/// Reads the attention of the sentence; returns what the word's row left to sinks.
pub(super) fn read(
    inspector: &mut Inspector<'_>,
    who: &Who,
    ids: &[u32],
    word: &Range<usize>,
    candidates: &mut [Candidate],
) -> Result<f64, InspectError> {
    let own = SourceRow { query_pos: word.end as u32 - 1, unit: 0, target: None };
    let after = word.end..ids.len();
    let after = after.map(|pos| SourceRow { query_pos: pos as u32, unit: 1, target: None });
    // A part for each token: mentions may lie within each other.
    let part = |pos: usize| (1..word.start).contains(&pos).then(|| pos as u32 - 1);
    let plan = SourcesPlan {
        keys_of: KeysOf::Own,
        parts: (0..ids.len()).map(part).collect(),
        n_parts: word.start.saturating_sub(1),
        rows: [own].into_iter().chain(after).collect(),
        n_units: 2,
        head_weights: who.head_weights.clone(),
        lenses: vec![Lens::Weight],
    };
    let found = inspector.sources(ids, plan)?.found();
    for candidate in candidates {
        let mentions = candidate.mentions.iter();
        let mut tokens: Vec<usize> =
            mentions.flat_map(|mention| mention.tokens.clone()).filter_map(part_of(word)).collect();
        tokens.sort_unstable();
        tokens.dedup();
        candidate.n_tokens = tokens.len();
        candidate.own = shared(&found[0], &tokens);
        candidate.after = shared(&found[1], &tokens);
    }
    Ok(found[0].first + found[0].virtual_sink)
}

fn part_of(word: &Range<usize>) -> impl Fn(usize) -> Option<usize> + '_ {
    |pos| (1..word.start).contains(&pos).then(|| pos - 1)
}

/// `None`: no rows, or no tokens.
fn shared(found: &Found, tokens: &[usize]) -> Option<Read> {
    if found.n_rows == 0 || tokens.is_empty() {
        return None;
    }
    let of_all: f64 = found.weights.iter().sum();
    let of_tokens: f64 = tokens.iter().map(|&token| found.weights[token]).sum();
    let (n, n_all) = (tokens.len() as f64, found.weights.len() as f64);
    let rest = (of_all - of_tokens).max(f64::MIN_POSITIVE) / (n_all - n).max(1.0);
    Some(Read {
        share: of_tokens / of_all.max(f64::MIN_POSITIVE),
        share_if_even: n / n_all,
        log_lift: (of_tokens.max(f64::MIN_POSITIVE) / n / rest).ln(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_no_sink_and_lifts_no_length() {
        let weights = vec![0.1, 0.1, 0.3, 0.1];
        let found = Found { n_rows: 1, first: 0.4, weights, ..Found::default() };
        let read = shared(&found, &[2]).expect("a row and a token");
        assert!((read.share - 0.5).abs() < 1e-12, "{read:?}");
        assert!((read.share_if_even - 0.25).abs() < 1e-12, "{read:?}");
        assert!((read.log_lift - 3f64.ln()).abs() < 1e-12, "{read:?}");
        let even = shared(&Found { n_rows: 1, weights: vec![0.2; 5], ..found }, &[0, 3]);
        assert!(even.expect("a row").log_lift.abs() < 1e-12);
        assert_eq!(shared(&Found::default(), &[]), None);
    }
}
