//! What of the data draws most.

use std::ops::Range;

use model::batch::KeysOf;
use serde::Serialize;

use crate::capture::{Lens, SourceRow, SourcesPlan};
use crate::inspector::{InspectError, Inspector};
use crate::prompts::Prompt;

/// A part of the data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Window {
    pub text: String,
    /// Within the data.
    pub bytes: Range<usize>,
    pub tokens: Range<usize>,
    /// Its share of what the data gets.
    pub share: f64,
    /// What it would be if all tokens of the data got the same.
    pub share_if_even: f64,
}

/// What some heads of the prompt's last token look at most in its data.
pub(super) fn windows(
    inspector: &mut Inspector<'_>,
    heads: &[usize],
    prompt: &Prompt,
) -> Result<Vec<Window>, InspectError> {
    let data = prompt.parts[1].clone();
    let config = &inspector.model.config;
    let mut head_weights = vec![0.0; config.n_layers * config.n_heads];
    heads.iter().for_each(|&head| head_weights[head] = 1.0);
    let mut parts = vec![None; data.start];
    parts.extend((0..data.len() as u32).map(Some));
    let row = SourceRow { query_pos: prompt.ids.len() as u32 - 1, unit: 0, target: None };
    let plan = SourcesPlan {
        keys_of: KeysOf::Own,
        parts,
        n_parts: data.len(),
        rows: vec![row],
        n_units: 1,
        head_weights: Some(head_weights),
        lenses: vec![Lens::Weight],
    };
    let found = inspector.sources(&prompt.ids, plan)?.found();
    let weights = &found[0].weights;
    let all = weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let text = inspector.text(&prompt.ids);
    let start = text.bytes(data.clone()).start;
    let window = |tokens: Range<usize>| {
        let in_text = tokens.start + data.start..tokens.end + data.start;
        let bytes = text.bytes(in_text.clone());
        Window {
            text: text.text()[bytes.clone()].to_owned(),
            bytes: bytes.start - start..bytes.end - start,
            share: weights[tokens.clone()].iter().sum::<f64>() / all,
            share_if_even: tokens.len() as f64 / data.len() as f64,
            tokens: in_text,
        }
    };
    Ok(heaviest(weights).into_iter().map(window).collect())
}

/// The heaviest windows that do not overlap, joined where they touch, the heaviest first.
fn heaviest(weights: &[f64]) -> Vec<Range<usize>> {
    const N_TOKENS: usize = 10;
    const N_WINDOWS: usize = 3;
    let sum = |window: &Range<usize>| weights[window.clone()].iter().sum::<f64>();
    let len = N_TOKENS.min(weights.len());
    let mut all: Vec<_> = (0..=weights.len() - len).map(|start| start..start + len).collect();
    all.sort_by(|a, b| sum(b).total_cmp(&sum(a)));
    let mut best: Vec<Range<usize>> = Vec::new();
    for window in all {
        let is_apart =
            |other: &Range<usize>| other.end <= window.start || window.end <= other.start;
        if best.len() < N_WINDOWS && best.iter().all(is_apart) {
            best.push(window);
        }
    }
    best.sort_by_key(|window| window.start);
    let mut joined: Vec<Range<usize>> = Vec::new();
    for window in best {
        match joined.last_mut() {
            Some(last) if last.end == window.start => last.end = window.end,
            _ => joined.push(window),
        }
    }
    joined.sort_by(|a, b| sum(b).total_cmp(&sum(a)));
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heavy_windows_are_apart_or_joined() {
        let check = |heavy: &[usize], n: usize, expected: &[(usize, usize)]| {
            let mut weights = vec![0.001; n];
            heavy.iter().for_each(|&at| weights[at] = 1.0);
            let found = heaviest(&weights);
            let found: Vec<_> = found.iter().map(|window| (window.start, window.end)).collect();
            assert_eq!(found[..expected.len()], *expected, "{heavy:?} of {n}");
        };
        check(&[], 4, &[(0, 4)]);
        check(&[], 30, &[(0, 30)]);
        let tens: Vec<usize> = (20..30).chain(60..70).collect();
        check(&tens, 100, &[(20, 30), (60, 70), (0, 10)]);
        let twenties: Vec<usize> = (50..70).chain([90]).collect();
        check(&twenties, 100, &[(50, 70), (81, 91)]);
    }
}
