//! One block of keys: scores, a step of online softmax, and the weighted sum of values.

use super::exp::exp;
use super::lanes::{self, LANES};
use crate::KEY_BLOCK;
use crate::cells::{CellBlock, Element, IntValues, VALUE_GROUP, by_cells};
use crate::moments::Moments;

pub(crate) fn attention_scores(q: &[f32], keys: CellBlock<'_>, head_dim: usize, out: &mut [f32]) {
    check_shapes(q, keys.cells.n_cells(), head_dim, out);
    out.fill(0.0);
    by_cells!(keys.cells, keys => add_product(q, keys, head_dim, out));
}

#[inline(always)]
pub(crate) fn add_dots(q: &[f32], mean: &[f32], scores: &mut [f32]) {
    let head_dim = mean.len();
    check_shapes(q, head_dim * KEY_BLOCK, head_dim, scores);
    for (q, scores) in q.chunks_exact(head_dim).zip(scores.as_chunks_mut::<KEY_BLOCK>().0) {
        let dot = lanes::dot(q, mean);
        scores.iter_mut().for_each(|score| *score += dot);
    }
}

pub(crate) fn attention_accumulate(
    weights: &[f32],
    rescale: &[f32],
    values: CellBlock<'_>,
    head_dim: usize,
    acc: &mut [f32],
) {
    start_accumulate(weights, rescale, values.cells.n_cells(), head_dim, acc);
    by_cells!(values.cells, values => add_product(weights, values, KEY_BLOCK, acc));
}

pub(crate) fn attention_accumulate_int(
    weights: &[f32],
    rescale: &[f32],
    values: IntValues<'_>,
    head_dim: usize,
    acc: &mut [f32],
) {
    start_accumulate(weights, rescale, values.quants.len(), head_dim, acc);
    let in_pairs = |_| false;
    each_value_group(weights, values, head_dim, acc, in_pairs, |groups, acc| {
        let ValueGroups { weights, quants, first } = groups;
        let n_cols = quants.len() / KEY_BLOCK;
        let rows = acc.chunks_exact_mut(head_dim).zip(weights.as_chunks::<KEY_BLOCK>().0);
        for (acc, weights) in rows {
            add_product(weights, quants, KEY_BLOCK, &mut acc[first..][..n_cols]);
        }
    });
}

/// Rows whose scaled weights lie on the stack together.
const INT_ROWS: usize = 8;

/// Groups of dimensions that are added to some rows in one go.
pub(crate) struct ValueGroups<'a> {
    /// `[n_groups, n_rows, KEY_BLOCK]`: `weight * scale`
    pub(crate) weights: &'a [f32],
    /// `[n_groups, KEY_BLOCK, dimensions of a group]`
    pub(crate) quants: &'a [i8],
    /// First dimension of the first group.
    pub(crate) first: usize,
}

/// Calls `add(groups, rows of acc)` for all groups of dimensions and every [`INT_ROWS`] rows:
/// `acc += (weight * scale) q`. Whole groups come in pairs where `in_pairs` says so for a number of
/// rows, up to half of [`INT_ROWS`].
#[inline(always)]
pub(crate) fn each_value_group(
    weights: &[f32],
    values: IntValues<'_>,
    head_dim: usize,
    acc: &mut [f32],
    in_pairs: impl Fn(usize) -> bool,
    mut add: impl FnMut(ValueGroups<'_>, &mut [f32]),
) {
    let n_groups = head_dim.div_ceil(VALUE_GROUP);
    assert_eq!(values.scales.len(), n_groups * KEY_BLOCK, "a scale for each key and group");
    let mut scaled = [0.0; INT_ROWS * KEY_BLOCK];
    let all_scales = values.scales.as_chunks::<KEY_BLOCK>().0;
    let n_rows = acc.len() / head_dim;
    let n_together = if n_rows <= INT_ROWS / 2 && in_pairs(n_rows) { 2 } else { 1 };
    let mut group_idx = 0;
    while group_idx < n_groups {
        let first = group_idx * VALUE_GROUP;
        let is_pair = n_together == 2 && first + 2 * VALUE_GROUP <= head_dim;
        let scales = &all_scales[group_idx..][..if is_pair { 2 } else { 1 }];
        let n_cols = (scales.len() * VALUE_GROUP).min(head_dim - first);
        let quants = &values.quants[first * KEY_BLOCK..][..n_cols * KEY_BLOCK];
        let rows = weights.chunks(INT_ROWS * KEY_BLOCK);
        for (weights, acc) in rows.zip(acc.chunks_mut(INT_ROWS * head_dim)) {
            let scaled = &mut scaled[..scales.len() * weights.len()];
            for (scaled, scales) in scaled.chunks_exact_mut(weights.len()).zip(scales) {
                let pairs = scaled.as_chunks_mut::<KEY_BLOCK>().0.iter_mut();
                for (scaled, weights) in pairs.zip(weights.as_chunks::<KEY_BLOCK>().0) {
                    for k in 0..KEY_BLOCK {
                        scaled[k] = weights[k] * scales[k];
                    }
                }
            }
            add(ValueGroups { weights: scaled, quants, first }, acc);
        }
        group_idx += scales.len();
    }
}

/// `out[r][c] += sum_i a[r][i] * b[i][c]`: `a` `[n_rows, n]`, `b` `[n, n_cols]`, `out`
/// `[n_rows, n_cols]`.
fn add_product<T: Element>(a: &[f32], b: &[T], n: usize, out: &mut [f32]) {
    let n_cols = b.len() / n;
    for (a, out) in a.chunks_exact(n).zip(out.chunks_exact_mut(n_cols)) {
        for (&a, b) in a.iter().zip(b.chunks_exact(n_cols)) {
            for c in 0..n_cols {
                out[c] = a.mul_add(b[c].to_f32(), out[c]);
            }
        }
    }
}

/// Checks the shapes of `attention_accumulate` and rescales what was accumulated before.
#[inline(always)]
pub(crate) fn start_accumulate(
    weights: &[f32],
    rescale: &[f32],
    n_values: usize,
    head_dim: usize,
    acc: &mut [f32],
) {
    check_shapes(acc, n_values, head_dim, weights);
    let rows = acc.chunks_exact_mut(head_dim);
    assert_eq!(rows.len(), rescale.len(), "one factor a row");
    for (acc, &factor) in rows.zip(rescale) {
        acc.iter_mut().for_each(|acc| *acc *= factor);
    }
}

/// What both attention products require: `rows` `[n_rows, head_dim]`, one key block of `head_dim`
/// values a key, `by_key` `[n_rows, KEY_BLOCK]`.
pub(crate) fn check_shapes(rows: &[f32], n_cells: usize, head_dim: usize, by_key: &[f32]) {
    assert!(head_dim > 0, "head_dim is zero");
    assert_eq!(n_cells, head_dim * KEY_BLOCK, "one block of keys or values");
    assert!(rows.len().is_multiple_of(head_dim), "rows of {head_dim} values");
    assert_eq!(by_key.len(), rows.len() / head_dim * KEY_BLOCK, "a score for each row and key");
}

#[inline(always)]
pub(crate) fn online_softmax(scores: &mut [f32], max: f32) -> (f32, f32, f32) {
    let new_max = lanes::max(scores, max);
    let shift = finite(new_max);
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

/// With every key hidden so far any finite shift gives weights of zero.
#[inline(always)]
pub(crate) fn finite(max: f32) -> f32 {
    if max == f32::NEG_INFINITY { 0.0 } else { max }
}

/// A hidden key's distance from the maximum, in place of infinity: its weight is zero all the same,
/// and zero times infinity is no number.
const FAR_BELOW: f32 = -100.0;

#[inline(always)]
pub(crate) fn online_softmax_moments(scores: &mut [f32], max: f32) -> (f32, f32, Moments) {
    let new_max = lanes::max(scores, max);
    let shift = finite(new_max);
    let mut sums = [[0.0; LANES]; 3];
    let (chunks, rest) = scores.as_chunks_mut::<LANES>();
    let n_whole = chunks.len();
    for (chunk_idx, chunk) in chunks.iter_mut().enumerate() {
        add_moments(chunk, (shift, chunk_idx), &mut sums);
    }
    if !rest.is_empty() {
        let mut last = [f32::NEG_INFINITY; LANES];
        last[..rest.len()].copy_from_slice(rest);
        add_moments(&mut last, (shift, n_whole), &mut sums);
        rest.copy_from_slice(&last[..rest.len()]);
    }
    let factor = if new_max == max { 1.0 } else { exp(max - shift) };
    let [sums, centred, mut places] = sums;
    for i in 0..LANES {
        places[i] = sums[i].mul_add(i as f32, places[i]);
    }
    // One by one: what an array's `map` calls is compiled without the features of its caller.
    let (sum, centred, places) = (lanes::sum(sums), lanes::sum(centred), lanes::sum(places));
    (new_max, factor, Moments { sum, centred, places })
}

/// `places` gets the place of the chunk only; those of its lanes come in the end.
#[inline(always)]
fn add_moments(
    chunk: &mut [f32; LANES],
    (shift, chunk_idx): (f32, usize),
    [sums, centred, places]: &mut [[f32; LANES]; 3],
) {
    let first = (chunk_idx * LANES) as f32;
    for i in 0..LANES {
        let distance = chunk[i] - shift;
        let weight = exp(distance);
        chunk[i] = weight;
        sums[i] += weight;
        let distance = if distance < FAR_BELOW { FAR_BELOW } else { distance };
        centred[i] = weight.mul_add(distance, centred[i]);
        places[i] = weight.mul_add(first, places[i]);
    }
}
