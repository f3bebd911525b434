//! One block of keys: scores, a step of online softmax, and the weighted sum of values.

use super::exp::exp;
use super::lanes::{self, LANES};
use crate::KEY_BLOCK;

pub(crate) fn attention_scores(q: &[f32], keys: &[f32], head_dim: usize, out: &mut [f32]) {
    check_shapes(q, keys, head_dim, out);
    let keys = keys.as_chunks::<KEY_BLOCK>().0;
    for (q, out) in q.chunks_exact(head_dim).zip(out.as_chunks_mut::<KEY_BLOCK>().0) {
        *out = [0.0; KEY_BLOCK];
        for (&q, keys) in q.iter().zip(keys) {
            for k in 0..KEY_BLOCK {
                out[k] = q.mul_add(keys[k], out[k]);
            }
        }
    }
}

pub(crate) fn attention_accumulate(
    weights: &[f32],
    rescale: &[f32],
    values: &[f32],
    head_dim: usize,
    acc: &mut [f32],
) {
    start_accumulate(weights, rescale, values, head_dim, acc);
    let rows = acc.chunks_exact_mut(head_dim).zip(weights.as_chunks::<KEY_BLOCK>().0);
    for (acc, weights) in rows {
        for (&weight, value) in weights.iter().zip(values.chunks_exact(head_dim)) {
            for d in 0..head_dim {
                acc[d] = weight.mul_add(value[d], acc[d]);
            }
        }
    }
}

/// Checks the shapes of `attention_accumulate` and rescales what was accumulated before.
#[inline(always)]
pub(crate) fn start_accumulate(
    weights: &[f32],
    rescale: &[f32],
    values: &[f32],
    head_dim: usize,
    acc: &mut [f32],
) {
    check_shapes(acc, values, head_dim, weights);
    let rows = acc.chunks_exact_mut(head_dim);
    assert_eq!(rows.len(), rescale.len(), "one factor a row");
    for (acc, &factor) in rows.zip(rescale) {
        acc.iter_mut().for_each(|acc| *acc *= factor);
    }
}

/// What both attention products require: `rows` `[n_rows, head_dim]`, `block` one key block of
/// `head_dim` values a key, `by_key` `[n_rows, KEY_BLOCK]`.
pub(crate) fn check_shapes(rows: &[f32], block: &[f32], head_dim: usize, by_key: &[f32]) {
    assert!(head_dim > 0, "head_dim is zero");
    assert_eq!(block.len(), head_dim * KEY_BLOCK, "one block of keys or values");
    assert!(rows.len().is_multiple_of(head_dim), "rows of {head_dim} values");
    assert_eq!(by_key.len(), rows.len() / head_dim * KEY_BLOCK, "a score for each row and key");
}

#[inline(always)]
pub(crate) fn online_softmax(scores: &mut [f32], max: f32) -> (f32, f32, f32) {
    let new_max = lanes::max(scores, max);
    // With every key hidden so far any finite shift gives weights of zero.
    let shift = if new_max == f32::NEG_INFINITY { 0.0 } else { new_max };
    let mut sums = [0.0; LANES];
    let (chunks, rest) = scores.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            chunk[i] = exp(chunk[i] - shift);
            sums[i] += chunk[i];
        }
    }
    for (i, score) in rest.iter_mut().enumerate() {
        *score = exp(*score - shift);
        sums[i] += *score;
    }
    let factor = if new_max == max { 1.0 } else { exp(max - shift) };
    (new_max, factor, lanes::sum(sums))
}
