//! Integer panel times activations: 16 rows in four registers, up to 4 tokens.

use std::arch::aarch64::*;

use super::dot::Dot;
use super::registers::{load_rows, store_f32};
use crate::panel::TileView;
use crate::scalar::matmul::check_panel;
use crate::table::Tile;
use crate::{ACT_GROUP, IntForm, IntPanel, QuantizedTile, Quants, RowValues, Step};

/// Some columns of 16 weight rows in integer form, laid out like `IntPanel`.
pub(super) struct Weights<'a> {
    pub(super) form: IntForm,
    pub(super) quants: &'a [Step],
    pub(super) scales: &'a [RowValues],
    pub(super) mins: &'a [RowValues],
}

/// Results of 16 rows for each token.
pub(super) type Acc<const T: usize> = [[float32x4_t; 4]; T];

#[target_feature(enable = "neon")]
pub(super) fn int_panel<D: Dot>(dot: D, panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile]) {
    check_panel(panel, x, out);
    let weights = Weights::new(panel);
    for (x, out) in x.iter().zip(out) {
        let x = x.view();
        match x.n_tokens {
            0 => (),
            1 => multiply::<D, 1>(dot, &weights, &x, out),
            2 => multiply::<D, 2>(dot, &weights, &x, out),
            3 => multiply::<D, 3>(dot, &weights, &x, out),
            _ => multiply::<D, 4>(dot, &weights, &x, out),
        }
    }
}

impl<'a> Weights<'a> {
    pub(super) fn new(panel: &'a IntPanel) -> Self {
        let IntPanel { form, n_in, quants, scales, mins } = panel;
        let n_groups = n_in / form.group;
        let (quants, scales, mins) = (&quants[..n_in / 4], &scales[..n_groups], &mins[..n_groups]);
        Self { form: *form, quants, scales, mins }
    }
}

#[target_feature(enable = "neon")]
fn multiply<D: Dot, const T: usize>(dot: D, weights: &Weights, x: &TileView, out: &mut Tile) {
    let mut acc = [[vdupq_n_f32(0.0); 4]; T];
    add_products(dot, weights, x, &mut acc);
    store(&acc, out);
}

/// `acc[t][r] += weights[r] . x[t]`: `x` has as many columns as `weights`, of `T` tokens.
#[target_feature(enable = "neon")]
pub(super) fn add_products<D: Dot, const T: usize>(
    dot: D,
    weights: &Weights,
    x: &TileView,
    acc: &mut Acc<T>,
) {
    // An int16 holds 8 products of 5 bits and 7 (31496) and 4 of 6 bits and 7 (32004), whole
    // groups, and 2 of 8 bits and 7 (32512).
    let form = weights.form;
    match (form.quants, form.group, form.has_mins) {
        (Quants::U4 | Quants::U5, 32, true) => add_groups::<D, T, 8, 8>(dot, weights, x, acc),
        (Quants::U4 | Quants::U6, 16, true) => add_groups::<D, T, 4, 4>(dot, weights, x, acc),
        (Quants::I8, 32, false) => add_groups::<D, T, 8, 2>(dot, weights, x, acc),
        (Quants::I8, 16, false) => add_groups::<D, T, 4, 2>(dot, weights, x, acc),
        _ => unreachable!("no format has the form {form:?}"),
    }
}

/// Groups of `STEPS` steps, of which `DEPTH` add up in int16: all of them where there are mins.
#[inline]
#[target_feature(enable = "neon")]
fn add_groups<D: Dot, const T: usize, const STEPS: usize, const DEPTH: usize>(
    dot: D,
    weights: &Weights,
    x: &TileView,
    acc: &mut Acc<T>,
) {
    let x_sums = if STEPS == 4 { x.sums16 } else { x.sums32 };
    let x_sums = x_sums.as_chunks::<T>().0;
    let x_scales = x.scales.as_chunks::<T>().0;
    let x_quants = x.quants.as_chunks::<4>().0.as_chunks::<T>().0.as_chunks::<STEPS>().0;
    let w_quants = weights.quants.as_chunks::<STEPS>().0;
    assert!(w_quants.len() == x_quants.len(), "weights and activations of the same columns");
    for (g, (w, x)) in w_quants.iter().zip(x_quants).enumerate() {
        let sums = dot.sums::<T, STEPS, DEPTH>(w, x);
        let (scales, x_scales) = (load_rows(&weights.scales[g]), &x_scales[g * STEPS / 8]);
        if DEPTH < STEPS {
            for t in 0..T {
                for quarter in 0..4 {
                    let scale = vmulq_n_f32(scales[quarter], x_scales[t]);
                    let sum = vcvtq_f32_s32(sums[t][quarter]);
                    acc[t][quarter] = vfmaq_f32(acc[t][quarter], scale, sum);
                }
            }
        } else {
            let (mins, x_sums) = (load_rows(&weights.mins[g]), &x_sums[g]);
            for t in 0..T {
                for quarter in 0..4 {
                    let scale = vmulq_n_f32(scales[quarter], x_scales[t]);
                    let sum = vcvtq_f32_s32(sums[t][quarter]);
                    let y = vfmaq_f32(acc[t][quarter], scale, sum);
                    acc[t][quarter] = vfmsq_n_f32(y, mins[quarter], x_sums[t]);
                }
            }
        }
    }
}

/// Tokens beyond `T` stay as they are.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn store<const T: usize>(acc: &Acc<T>, out: &mut Tile) {
    for (acc, out) in acc.iter().zip(out) {
        for (acc, out) in acc.iter().zip(out.as_chunks_mut().0) {
            store_f32(out, *acc);
        }
    }
}

/// Columns `first_col..first_col + n_cols` of a tile, both whole groups.
pub(super) fn columns<'a>(x: &TileView<'a>, first_col: usize, n_cols: usize) -> TileView<'a> {
    let (start, n) = (first_col * x.n_tokens, n_cols * x.n_tokens);
    TileView {
        n_tokens: x.n_tokens,
        quants: &x.quants[start..][..n],
        scales: &x.scales[start / ACT_GROUP..][..n / ACT_GROUP],
        sums16: &x.sums16[start / 16..][..n / 16],
        sums32: &x.sums32[start / 32..][..n / 32],
    }
}
