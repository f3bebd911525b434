//! Integer panel times whole tiles by `smmla`: eight columns of two tokens and two rows at once.
//!
//! A panel has four columns of a row together, so steps are zipped by twos: for a chunk of columns
//! at a time, and then used by every tile. Between chunks a tile's results wait where they will be
//! stored, two tokens times two rows to a register.

use std::arch::aarch64::*;
use std::arch::asm;

use super::dot::{Sdot, zero};
use super::int_panel::{self, Weights, columns};
use super::registers::{load_f32, load_i8, load_rows, load_step, store_f32};
use crate::block::{CHUNK, CHUNK_GROUPS};
use crate::panel::TileView;
use crate::scalar::matmul::check_panel;
use crate::table::Tile;
use crate::{IntPanel, PANEL_ROWS, QuantizedTile, TILE_TOKENS};

/// Proof that the CPU has `smmla` and, for tiles that are not whole, `sdot`.
#[derive(Clone, Copy)]
pub(super) struct Smmla(Sdot);

impl Smmla {
    /// # Safety
    /// The CPU has `i8mm` and `dotprod`.
    pub(super) unsafe fn new() -> Self {
        // SAFETY: the contract.
        Self(unsafe { Sdot::new() })
    }
}

#[target_feature(enable = "neon")]
pub(super) fn int_panel(smmla: Smmla, panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile]) {
    check_panel(panel, x, out);
    let n_whole = x.iter().take_while(|x| x.n_tokens == TILE_TOKENS).count();
    let (x, x_rest) = x.split_at(n_whole);
    let (out, out_rest) = out.split_at_mut(n_whole);
    int_panel::int_panel(smmla.0, panel, x_rest, out_rest);
    if x.is_empty() {
        return;
    }
    let weights = Weights::new(panel);
    match (panel.form.group, panel.form.has_mins) {
        (16, true) => multiply::<2, true>(smmla, &weights, x, out),
        (32, true) => multiply::<4, true>(smmla, &weights, x, out),
        (32, false) => multiply::<4, false>(smmla, &weights, x, out),
        (16, false) => multiply::<2, false>(smmla, &weights, x, out),
        _ => unreachable!("no format has the form {:?}", panel.form),
    }
}

/// Groups of `N_PAIRS` times eight columns.
#[target_feature(enable = "neon")]
fn multiply<const N_PAIRS: usize, const HAS_MINS: bool>(
    smmla: Smmla,
    weights: &Weights,
    x: &[QuantizedTile],
    out: &mut [Tile],
) {
    let mut pairs = RowPairs::new();
    out.as_flattened_mut().fill([0.0; PANEL_ROWS]);
    let n_in = 4 * weights.quants.len();
    for first_col in (0..n_in).step_by(CHUNK) {
        let n_cols = (n_in - first_col).min(CHUNK);
        pairs.take(weights, first_col, n_cols);
        for (x, out) in x.iter().zip(&mut *out) {
            let x = columns(&x.view(), first_col, n_cols);
            add_products::<N_PAIRS, HAS_MINS>(smmla, &pairs, &x, out);
        }
    }
    out.iter_mut().for_each(|out| untangle(out));
}

/// Up to `CHUNK` columns of 16 rows, every two rows side by side.
struct RowPairs {
    /// Eight columns of each row.
    quants: [[int8x16_t; 8]; CHUNK / 8],
    /// The two rows' values twice.
    scales: [[float32x4_t; 8]; CHUNK_GROUPS],
    /// The same, not read when the form has no mins.
    mins: [[float32x4_t; 8]; CHUNK_GROUPS],
}

impl RowPairs {
    #[target_feature(enable = "neon")]
    fn new() -> Self {
        Self {
            quants: [[vdupq_n_s8(0); 8]; CHUNK / 8],
            scales: [[vdupq_n_f32(0.0); 8]; CHUNK_GROUPS],
            mins: [[vdupq_n_f32(0.0); 8]; CHUNK_GROUPS],
        }
    }

    /// Takes columns `first_col..first_col + n_cols`, both whole groups.
    #[target_feature(enable = "neon")]
    fn take(&mut self, weights: &Weights, first_col: usize, n_cols: usize) {
        let steps = &weights.quants[first_col / 4..][..n_cols / 4];
        for (pairs, [a, b]) in self.quants.iter_mut().zip(steps.as_chunks().0) {
            for quarter in 0..4 {
                let [a, b] = [a, b].map(|step| vreinterpretq_s32_s8(load_step(step, quarter)));
                pairs[2 * quarter] = vreinterpretq_s8_s32(vzip1q_s32(a, b));
                pairs[2 * quarter + 1] = vreinterpretq_s8_s32(vzip2q_s32(a, b));
            }
        }
        let group = weights.form.group;
        let values = [(&mut self.scales, weights.scales), (&mut self.mins, weights.mins)];
        for (pairs, values) in values {
            let values = &values[first_col / group..][..n_cols / group];
            for (pairs, values) in pairs.iter_mut().zip(values) {
                for (quarter, rows) in load_rows(values).into_iter().enumerate() {
                    let rows = vreinterpretq_f64_f32(rows);
                    pairs[2 * quarter] = vreinterpretq_f32_f64(vzip1q_f64(rows, rows));
                    pairs[2 * quarter + 1] = vreinterpretq_f32_f64(vzip2q_f64(rows, rows));
                }
            }
        }
    }
}

/// Adds `weights . x` to `out`, as `untangle` takes it: `x` `[n_cols]` of four tokens.
#[target_feature(enable = "neon")]
fn add_products<const N_PAIRS: usize, const HAS_MINS: bool>(
    smmla: Smmla,
    weights: &RowPairs,
    x: &TileView,
    out: &mut Tile,
) {
    let acc = out.as_flattened_mut().as_chunks_mut().0;
    let w_quants = weights.quants.as_chunks::<N_PAIRS>().0;
    let x_quants = x.quants.as_chunks().0.as_chunks().0.as_chunks::<N_PAIRS>().0;
    let x_scales = x.scales.as_chunks().0;
    let x_sums = if N_PAIRS == 2 { x.sums16 } else { x.sums32 }.as_chunks().0;
    for (g, (w, x)) in w_quants.iter().zip(x_quants).enumerate() {
        let sums = sums(smmla, w, x);
        let (scales, x_scales) = (&weights.scales[g], twice(&x_scales[g * N_PAIRS / 4]));
        let (mins, x_sums) = (&weights.mins[g], twice(&x_sums[g]));
        for tokens in 0..2 {
            for rows in 0..8 {
                let acc = &mut acc[8 * tokens + rows];
                let scale = vmulq_f32(scales[rows], x_scales[tokens]);
                let mut y = vfmaq_f32(load_f32(acc), scale, vcvtq_f32_s32(sums[tokens][rows]));
                if HAS_MINS {
                    y = vfmsq_f32(y, mins[rows], x_sums[tokens]);
                }
                store_f32(acc, y);
            }
        }
    }
}

/// `[token pair][row pair]`: `N_PAIRS` times eight columns of `w` and, in two registers, of `x`.
#[inline]
#[target_feature(enable = "neon")]
fn sums<const N_PAIRS: usize>(
    smmla: Smmla,
    w: &[[int8x16_t; 8]; N_PAIRS],
    x: &[[[i8; 16]; 2]; N_PAIRS],
) -> [[int32x4_t; 8]; 2] {
    let mut sums = [[zero(); 8]; 2];
    for (w, [a, b]) in w.iter().zip(x) {
        let [a, b] = [a, b].map(|step| vreinterpretq_s32_s8(load_i8(step)));
        let x = [vzip1q_s32(a, b), vzip2q_s32(a, b)].map(|x| vreinterpretq_s8_s32(x));
        for (x, sums) in x.into_iter().zip(&mut sums) {
            for (w, sum) in w.iter().zip(sums) {
                *sum = multiply_pairs(smmla, *sum, x, *w);
            }
        }
    }
    sums
}

/// The values of the first two tokens and of the last two, each twice.
#[inline]
#[target_feature(enable = "neon")]
fn twice(x: &[f32; TILE_TOKENS]) -> [float32x4_t; 2] {
    let x = load_f32(x);
    [vzip1q_f32(x, x), vzip2q_f32(x, x)]
}

/// Turns `[token pair][row pair]`, two tokens times two rows each, into `[token, row]`.
#[target_feature(enable = "neon")]
fn untangle(out: &mut Tile) {
    let tangled = *out;
    let tangled = tangled.as_flattened().as_chunks().0;
    for (i, [a, b]) in tangled.as_chunks().0.iter().enumerate() {
        let [a, b] = [a, b].map(|x| vreinterpretq_f64_f32(load_f32(x)));
        let (tokens, quarter) = (i / 4, i % 4);
        let rows = [vzip1q_f64(a, b), vzip2q_f64(a, b)].map(|rows| vreinterpretq_f32_f64(rows));
        for (out, rows) in out[2 * tokens..].iter_mut().zip(rows) {
            store_f32(&mut out.as_chunks_mut().0[quarter], rows);
        }
    }
}

/// Eight columns of two tokens times those of two rows: `sum[2 token + row]`. `asm!` as in `sdot`.
#[inline(always)]
fn multiply_pairs(_: Smmla, mut sum: int32x4_t, x: int8x16_t, w: int8x16_t) -> int32x4_t {
    // SAFETY: the argument is the proof that the CPU has the instruction.
    unsafe {
        asm!(
            ".arch_extension i8mm",
            "smmla {sum:v}.4s, {x:v}.16b, {w:v}.16b",
            sum = inout(vreg) sum,
            x = in(vreg) x,
            w = in(vreg) w,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}
