//! `out += a b` in f32 with one fused multiply-add a term, terms in order: the exact weight path
//! and both attention products. Lanes are columns of `b`; accumulators stay in registers.

use std::arch::aarch64::*;

use super::half::widen;
use super::registers::{load_f32, load_u16, store_f32};
use super::unpack::{unpack_floats, whole_rows};
use crate::block::CHUNK;
use crate::cells::{Bf16, Element, F16, by_cells};
use crate::scalar::attention::{ValueGroups, check_shapes, each_value_group, start_accumulate};
use crate::scalar::matmul as scalar;
use crate::table::Tile;
use crate::{CellBlock, DType, F32Panel, IntValues, KEY_BLOCK, PANEL_ROWS, RowValues, TILE_TOKENS};

#[target_feature(enable = "neon")]
pub(super) fn f32_panel(panel: &F32Panel, x: &[f32], out: &mut [Tile]) {
    scalar::check_f32_panel(panel, x, out);
    let values = flat(&panel.values[..panel.n_in]);
    for (x, out) in x.chunks(TILE_TOKENS * panel.n_in.max(1)).zip(out) {
        let out = out[..x.len() / panel.n_in].as_flattened_mut();
        out.fill(0.0);
        add_product(x, values, panel.n_in, out);
    }
}

#[target_feature(enable = "neon")]
pub(super) fn f32_rows(dtype: DType, rows: &[u8], n_in: usize, x: &[f32], out: &mut [Tile]) {
    let (n_tokens, n_rows) = scalar::start_f32_rows(dtype, rows, n_in, x, out);
    let panel_bytes = PANEL_ROWS * (rows.len() / n_rows.max(1)).max(1);
    let mut values = [RowValues::ZERO; CHUNK];
    for (rows, out) in rows.chunks(panel_bytes).zip(out) {
        if rows.len() < panel_bytes {
            scalar::f32_rows(dtype, rows, n_in, x, std::slice::from_mut(out));
            continue;
        }
        let out = out[..n_tokens].as_flattened_mut();
        out.fill(0.0);
        for first_col in (0..n_in).step_by(CHUNK) {
            let values = &mut values[..(n_in - first_col).min(CHUNK)];
            unpack_floats(dtype, &whole_rows(rows), first_col, values);
            let b = flat(values);
            let a = |t: usize| &x[t * n_in + first_col..][..values.len()];
            match n_tokens {
                0 => (),
                1 => add_rows([a(0)], b, out),
                2 => add_rows([a(0), a(1)], b, out),
                3 => add_rows([a(0), a(1), a(2)], b, out),
                _ => add_rows([a(0), a(1), a(2), a(3)], b, out),
            }
        }
    }
}

#[target_feature(enable = "neon")]
pub(super) fn attention_scores(q: &[f32], keys: CellBlock<'_>, head_dim: usize, out: &mut [f32]) {
    check_shapes(q, keys.cells.n_cells(), head_dim, out);
    out.fill(0.0);
    by_cells!(keys.cells, keys => add_product(q, keys, head_dim, out));
}

#[target_feature(enable = "neon")]
pub(super) fn attention_accumulate(
    weights: &[f32],
    rescale: &[f32],
    values: CellBlock<'_>,
    head_dim: usize,
    acc: &mut [f32],
) {
    start_accumulate(weights, rescale, values.cells.n_cells(), head_dim, acc);
    by_cells!(values.cells, values => add_product(weights, values, KEY_BLOCK, acc));
}

#[target_feature(enable = "neon")]
pub(super) fn attention_accumulate_int(
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
        let rows = acc.chunks_exact_mut(head_dim).zip(weights.chunks_exact(KEY_BLOCK));
        for (acc, weights) in rows {
            add_rows([weights], quants, &mut acc[first..][..n_cols]);
        }
    });
}

/// An element that registers are loaded with as f32.
trait WideElement: Element {
    fn load(from: &[Self; 4]) -> float32x4_t;
}

impl WideElement for f32 {
    #[inline(always)]
    fn load(from: &[Self; 4]) -> float32x4_t {
        // SAFETY: every aarch64 CPU has NEON.
        unsafe { load_f32(from) }
    }
}

impl WideElement for F16 {
    #[inline(always)]
    fn load(from: &[Self; 4]) -> float32x4_t {
        // SAFETY: as above.
        unsafe { widen(load_u16(&from.map(|half| half.0))) }
    }
}

impl WideElement for Bf16 {
    #[inline(always)]
    fn load(from: &[Self; 4]) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(load_u16(&from.map(|half| half.0)))) }
    }
}

impl WideElement for i8 {
    #[inline(always)]
    fn load(from: &[Self; 4]) -> float32x4_t {
        let words = from.map(i32::from);
        // SAFETY: as above, and the array is what is read.
        unsafe { vcvtq_f32_s32(vld1q_s32(words.as_ptr())) }
    }
}

/// `[n, PANEL_ROWS]`
fn flat(values: &[RowValues]) -> &[f32] {
    // SAFETY: each `RowValues` is 16 values and nothing else.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len() * PANEL_ROWS) }
}

/// `out[r][c] += sum_i a[r][i] * b[i][c]`: `a` `[n_rows, n]`, `b` `[n, n_cols]`, `out`
/// `[n_rows, n_cols]`.
#[target_feature(enable = "neon")]
fn add_product<T: WideElement>(a: &[f32], b: &[T], n: usize, out: &mut [f32]) {
    if n == 0 {
        return;
    }
    let n_cols = b.len() / n;
    for (a, out) in a.chunks(4 * n).zip(out.chunks_mut(4 * n_cols)) {
        let row = |r: usize| &a[r * n..][..n];
        match a.len() / n {
            1 => add_rows([row(0)], b, out),
            2 => add_rows([row(0), row(1)], b, out),
            3 => add_rows([row(0), row(1), row(2)], b, out),
            _ => add_rows([row(0), row(1), row(2), row(3)], b, out),
        }
    }
}

/// Splits the columns so that 15 or 16 sums run side by side, four FMAs a cycle of four cycles
/// each, and their factors still fit the 32 registers.
#[target_feature(enable = "neon")]
fn add_rows<T: WideElement, const R: usize>(a: [&[f32]; R], b: &[T], out: &mut [f32]) {
    let (n, n_cols) = (a[0].len(), out.len() / R);
    assert!(a.iter().all(|a| a.len() == n), "rows are equally long");
    assert!(out.len() == R * n_cols && b.len() == n * n_cols, "shapes fit");
    let mut col = 0;
    while R == 1 && col + 64 <= n_cols {
        add_block::<T, R, 16>(a, b, n_cols, col, out);
        col += 64;
    }
    while R == 2 && col + 32 <= n_cols {
        add_block::<T, R, 8>(a, b, n_cols, col, out);
        col += 32;
    }
    while R == 3 && col + 20 <= n_cols {
        add_block::<T, R, 5>(a, b, n_cols, col, out);
        col += 20;
    }
    while col + 16 <= n_cols {
        add_block::<T, R, 4>(a, b, n_cols, col, out);
        col += 16;
    }
    while col + 4 <= n_cols {
        add_block::<T, R, 1>(a, b, n_cols, col, out);
        col += 4;
    }
    for col in col..n_cols {
        for (a, out) in a.iter().zip(out.chunks_exact_mut(n_cols)) {
            for (a, b) in a.iter().zip(b.chunks_exact(n_cols)) {
                out[col] = a.mul_add(b[col].to_f32(), out[col]);
            }
        }
    }
}

/// `R` rows times `4 C` columns from `col` on.
#[inline]
#[target_feature(enable = "neon")]
fn add_block<T: WideElement, const R: usize, const C: usize>(
    a: [&[f32]; R],
    b: &[T],
    n_cols: usize,
    col: usize,
    out: &mut [f32],
) {
    let mut sums = [[vdupq_n_f32(0.0); C]; R];
    for (sums, out) in sums.iter_mut().zip(out.chunks_exact(n_cols)) {
        let out = out[col..].as_chunks().0;
        *sums = std::array::from_fn(|c| load_f32(&out[c]));
    }
    // Of equal length, as the compiler can see now.
    let a = a.map(|row| &row[..a[0].len()]);
    for (i, b) in b.chunks_exact(n_cols).take(a[0].len()).enumerate() {
        let b = b[col..][..4 * C].as_chunks().0;
        for c in 0..C {
            let terms = T::load(&b[c]);
            for r in 0..R {
                sums[r][c] = vfmaq_n_f32(sums[r][c], terms, a[r][i]);
            }
        }
    }
    for (sums, out) in sums.iter().zip(out.chunks_exact_mut(n_cols)) {
        let out = out[col..].as_chunks_mut().0;
        sums.iter().zip(out).for_each(|(sums, out)| store_f32(out, *sums));
    }
}
