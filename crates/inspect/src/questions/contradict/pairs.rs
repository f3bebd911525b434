//! Pairs of sentences of which the second one reads the first more than their distance predicts.

use model::batch::KeysOf;
use serde::Serialize;

use super::super::spelled::Spelled;
use super::parts;
use crate::capture::{Lens, SourceRow, SourcesPlan};
use crate::inspector::{InspectError, Inspector};

/// Two sentences, by their place among those of the text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pair {
    pub first_idx: usize,
    /// The later one, whose rows read the first.
    pub second_idx: usize,
    /// What a token of the second sentence gives one of the first, in the mean over heads.
    pub weight: f64,
    /// The mean of `weight` over pairs as far apart as these: the baseline.
    pub weight_of_distance: f64,
    /// How many pairs that mean is of.
    pub n_of_distance: usize,
    /// `ln(weight / weight_of_distance)`
    pub log_lift: f64,
}

/// Sentences of a text at most: pairs are as many as half their square.
pub const N_SENTENCES_MAX: usize = 2000;
/// Far pairs are few: those of neighbouring distances are taken together until they are so many.
const N_OF_DISTANCE_MIN: usize = 8;

/// All pairs, the largest lift first.
///
/// # Errors
/// A text of less than two sentences, or too many; what becomes of the request.
pub fn proposed(
    inspector: &mut Inspector<'_>,
    text: &str,
    head_weights: Option<Vec<f32>>,
) -> Result<Vec<Pair>, InspectError> {
    let spelled = Spelled::new(inspector, text)?;
    let parts = parts(inspector, text)?;
    let n = parts.len();
    let mut part_of_token = vec![None; spelled.ids.len()];
    for (idx, part) in (0..).zip(&parts) {
        // A token of two sentences is of the later one.
        part_of_token[part.tokens.clone()].fill(Some(idx));
    }
    let n_tokens = |idx: usize| {
        let own = part_of_token.iter().skip(1).filter(|part| **part == Some(idx as u32));
        own.count().max(1) as f64
    };
    let lengths: Vec<f64> = (0..n).map(n_tokens).collect();
    let rows = part_of_token.iter().enumerate().filter_map(|(pos, part)| {
        let unit = (*part)? as usize;
        Some(SourceRow { query_pos: pos as u32, unit, target: None })
    });
    let plan = SourcesPlan {
        keys_of: KeysOf::Own,
        rows: rows.collect(),
        parts: part_of_token.clone(),
        n_parts: n,
        n_units: n,
        head_weights,
        lenses: vec![Lens::Weight],
    };
    let found = inspector.sources(&spelled.ids, plan)?.found();
    let weight = |first: usize, second: usize| found[second].weights[first] / lengths[first];
    Ok(lifted(n, weight))
}

/// All pairs of `n` sentences with what their distance predicts, the largest lift first.
fn lifted(n: usize, weight: impl Fn(usize, usize) -> f64) -> Vec<Pair> {
    let of_distance =
        |distance: usize| (distance..n).map(move |second| (second - distance, second));
    let mut pairs = Vec::new();
    let mut pool: Vec<(usize, usize)> = Vec::new();
    for distance in (1..n).rev() {
        pool.extend(of_distance(distance));
        if pool.len() < N_OF_DISTANCE_MIN && distance > 1 {
            continue;
        }
        let weights = pool.iter().map(|&(first, second)| weight(first, second));
        let mean = weights.sum::<f64>() / pool.len() as f64;
        let n_of_distance = pool.len();
        pairs.extend(pool.drain(..).map(|(first_idx, second_idx)| {
            let weight = weight(first_idx, second_idx);
            let [some, mean] = [weight, mean].map(|weight| weight.max(f64::MIN_POSITIVE));
            let log_lift = (some / mean).ln();
            let weight_of_distance = mean;
            Pair { first_idx, second_idx, weight, weight_of_distance, n_of_distance, log_lift }
        }));
    }
    pairs.sort_by(|a, b| {
        let place = |pair: &Pair| (pair.first_idx, pair.second_idx);
        b.log_lift.total_cmp(&a.log_lift).then(place(a).cmp(&place(b)))
    });
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_distance_predicts_is_no_lift() {
        for n in 2..12 {
            let pairs = lifted(n, |first, second| 1.0 / (second - first) as f64);
            assert_eq!(pairs.len(), n * (n - 1) / 2);
            let alone = pairs.iter().filter(|pair| pair.second_idx - pair.first_idx == 1);
            for pair in alone.filter(|_| n > 9) {
                assert!(pair.log_lift.abs() < 1e-12, "{pair:?}");
                assert_eq!(pair.n_of_distance, n - 1);
            }
        }
    }

    #[test]
    fn a_pair_that_is_read_more_than_its_distance_comes_first() {
        let weight = |first: usize, second: usize| {
            let more = if (first, second) == (2, 9) { 3.0 } else { 1.0 };
            more * 0.5f64.powi((second - first) as i32)
        };
        let best = lifted(20, weight)[0];
        assert_eq!((best.first_idx, best.second_idx), (2, 9));
    }
}
