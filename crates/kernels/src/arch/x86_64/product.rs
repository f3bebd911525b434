//! `out += a b` in f32 with one fused multiply-add a term, terms in order: the exact weight path
//! and both attention products. Lanes are columns of `b`; accumulators stay in registers.

use super::lanes::{Lanes, Lanes8, Lanes16};
use super::prefetch::{Ahead, Cache, LINE_BYTES};
use crate::cells::{Bf16, Element, F16, VALUE_GROUP, by_cells};
use crate::scalar::attention::{ValueGroups, check_shapes, each_value_group, start_accumulate};
use crate::scalar::matmul::check_f32_panel;
use crate::table::Tile;
use crate::{CellBlock, F32Panel, IntValues, KEY_BLOCK, PANEL_ROWS};

#[inline(always)]
pub(super) fn f32_panel<L: Width>(lanes: L, panel: &F32Panel, x: &[f32], out: &mut [Tile]) {
    check_f32_panel(panel, x, out);
    let n_tokens = x.len().checked_div(panel.n_in).unwrap_or(0);
    let values = &panel.values[..panel.n_in];
    // SAFETY: each `RowValues` is 16 values and nothing else.
    let values = unsafe {
        std::slice::from_raw_parts(values.as_ptr().cast::<f32>(), values.len() * PANEL_ROWS)
    };
    let out = out.as_flattened_mut()[..n_tokens].as_flattened_mut();
    out.fill(0.0);
    lanes.add_product(x, values, panel.n_in, out, &[]);
}

#[inline(always)]
pub(super) fn attention_scores<L: Width>(
    lanes: L,
    q: &[f32],
    keys: CellBlock<'_>,
    head_dim: usize,
    out: &mut [f32],
) {
    check_shapes(q, keys.cells.n_cells(), head_dim, out);
    out.fill(0.0);
    let CellBlock { cells, next } = keys;
    by_cells!(cells, keys => lanes.add_product(q, keys, head_dim, out, next));
}

#[inline(always)]
pub(super) fn attention_accumulate<L: Width>(
    lanes: L,
    weights: &[f32],
    rescale: &[f32],
    values: CellBlock<'_>,
    head_dim: usize,
    acc: &mut [f32],
) {
    start_accumulate(weights, rescale, values.cells.n_cells(), head_dim, acc);
    let CellBlock { cells, next } = values;
    by_cells!(cells, values => lanes.add_product(weights, values, KEY_BLOCK, acc, next));
}

#[inline(always)]
pub(super) fn attention_accumulate_int<L: Width>(
    lanes: L,
    weights: &[f32],
    rescale: &[f32],
    values: IntValues<'_>,
    head_dim: usize,
    acc: &mut [f32],
) {
    start_accumulate(weights, rescale, values.quants.len(), head_dim, acc);
    let mut next = values.next;
    let in_pairs = |n_rows| n_rows <= rows_of_pairs::<L>();
    each_value_group(weights, values, head_dim, acc, in_pairs, |groups, acc| {
        let ValueGroups { weights, quants, first } = groups;
        let out = Columns { rows: acc, stride: head_dim, first };
        // Each group asks for as much as it reads.
        let (ahead, rest) = next.split_at(quants.len().min(next.len()));
        if quants.len() > KEY_BLOCK * VALUE_GROUP {
            lanes.add_pair(weights, quants, out, ahead);
        } else {
            lanes.add_to_columns(weights, quants, KEY_BLOCK, out, ahead);
        }
        next = rest;
    });
}

/// Some columns, from `first` on, of rows of `stride` values.
pub(super) struct Columns<'a> {
    rows: &'a mut [f32],
    stride: usize,
    first: usize,
}

/// `add_product`, compiled once for a width.
pub(super) trait Width: Lanes {
    /// `out[r][c] += sum_i a[r][i] * b[i][c]`: `a` `[n_rows, n]`, `b` `[n, n_cols]`, `out`
    /// `[n_rows, n_cols]`.
    ///
    /// `next`: see [`CellBlock`].
    fn add_product<T: WideElement>(
        self,
        a: &[f32],
        b: &[T],
        n: usize,
        out: &mut [f32],
        next: &[u8],
    ) {
        let stride = b.len().checked_div(n).unwrap_or(0);
        self.add_to_columns(a, b, n, Columns { rows: out, stride, first: 0 }, next);
    }

    /// The same to some columns.
    fn add_to_columns<T: WideElement>(
        self,
        a: &[f32],
        b: &[T],
        n: usize,
        out: Columns<'_>,
        next: &[u8],
    );

    /// Two groups of int8 values, `[2, KEY_BLOCK, VALUE_GROUP]`, with weights of their own,
    /// `[2, n_rows, KEY_BLOCK]`, of up to `rows_of_pairs` rows: one alone would keep too few sums
    /// busy.
    fn add_pair(self, weights: &[f32], quants: &[i8], out: Columns<'_>, next: &[u8]);
}

/// An element that registers are loaded with as f32.
pub(super) trait WideElement: Element {
    /// # Safety
    /// `L::N` elements can be read at `from`, which needs no alignment.
    unsafe fn load<L: Lanes>(lanes: L, from: *const Self) -> L::Floats;
}

macro_rules! wide_elements {
    ($($T:ty = $load:ident;)*) => {$(
        impl WideElement for $T {
            #[inline(always)]
            unsafe fn load<L: Lanes>(lanes: L, from: *const Self) -> L::Floats {
                // SAFETY: the contract.
                unsafe { lanes.$load(from.cast()) }
            }
        }
    )*};
}
wide_elements! {
    f32 = load;
    F16 = load_f16;
    Bf16 = load_bf16;
    i8 = load_i8;
}

macro_rules! width {
    ($lanes:ident, $features:literal) => {
        impl Width for $lanes {
            fn add_to_columns<T: WideElement>(
                self,
                a: &[f32],
                b: &[T],
                n: usize,
                out: Columns<'_>,
                next: &[u8],
            ) {
                #[target_feature(enable = $features)]
                fn with_features<T: WideElement>(
                    lanes: $lanes,
                    a: &[f32],
                    b: &[T],
                    n: usize,
                    out: Columns<'_>,
                    next: &[u8],
                ) {
                    add_product(lanes, a, b, n, out, next);
                }
                // SAFETY: `self` is the proof of the instructions.
                unsafe { with_features(self, a, b, n, out, next) }
            }

            fn add_pair(self, weights: &[f32], quants: &[i8], out: Columns<'_>, next: &[u8]) {
                #[target_feature(enable = $features)]
                fn with_features(
                    lanes: $lanes,
                    weights: &[f32],
                    quants: &[i8],
                    out: Columns<'_>,
                    next: &[u8],
                ) {
                    add_pair(lanes, weights, quants, out, next);
                }
                // SAFETY: `self` is the proof of the instructions.
                unsafe { with_features(self, weights, quants, out, next) }
            }
        }
    };
}
width!(Lanes8, "avx2,fma,f16c");
width!(Lanes16, "avx2,fma,f16c,avx512f");

#[inline(always)]
fn add_product<L: Lanes, T: WideElement>(
    lanes: L,
    a: &[f32],
    b: &[T],
    n: usize,
    out: Columns<'_>,
    mut next: &[u8],
) {
    if n == 0 {
        return;
    }
    let n_cols = b.len() / n;
    let Columns { rows, stride, first } = out;
    assert!(b.len() == n * n_cols && first + n_cols <= stride);
    assert!(a.len() / n * stride == rows.len());
    let n_together = rows_together::<L>(a.len() / n);
    for (a, rows) in a.chunks(n_together * n).zip(rows.chunks_mut(n_together * stride)) {
        let out = Columns { rows, stride, first };
        match a.len() / n {
            1 => add_rows::<L, T, 1>(lanes, a, b, out, next),
            2 => add_rows::<L, T, 2>(lanes, a, b, out, next),
            3 => add_rows::<L, T, 3>(lanes, a, b, out, next),
            4 => add_rows::<L, T, 4>(lanes, a, b, out, next),
            5 if has_room::<L>() => add_rows::<L, T, 5>(lanes, a, b, out, next),
            6 if has_room::<L>() => add_rows::<L, T, 6>(lanes, a, b, out, next),
            7 if has_room::<L>() => add_rows::<L, T, 7>(lanes, a, b, out, next),
            8 if has_room::<L>() => add_rows::<L, T, 8>(lanes, a, b, out, next),
            n_rows => unreachable!("{n_rows} rows together"),
        }
        next = &[];
    }
}

/// Whether the sums of eight rows fit the registers.
const fn has_room<L: Lanes>() -> bool {
    L::N_REGISTERS == 32
}

/// How many of `n_rows` rows share a pass: as few passes as there are registers for, and those
/// alike, since a pass for one row loads as much as one for eight.
fn rows_together<L: Lanes>(n_rows: usize) -> usize {
    let most = if has_room::<L>() { 8 } else { 4 };
    n_rows.div_ceil(n_rows.div_ceil(most).max(1)).max(1)
}

/// Splits the columns so that many sums run side by side, which is what two FMAs a cycle of four
/// cycles each need, and no more than there are registers for.
#[inline(always)]
fn add_rows<L: Lanes, T: WideElement, const R: usize>(
    lanes: L,
    a: &[f32],
    b: &[T],
    out: Columns<'_>,
    next: &[u8],
) {
    let n = a.len() / R;
    let n_cols = b.len() / n;
    let Columns { rows, stride, first } = out;
    assert!(a.len() == R * n && b.len() == n * n_cols && rows.len() == R * stride);
    assert!(first + n_cols <= stride);
    // In bounds: a row has `first` values and more.
    let start = rows[first..].as_mut_ptr();
    let product = Product { a: a.as_ptr(), b: b.as_ptr(), out: start, n, n_cols, stride, next };
    // SAFETY: the lengths were asserted.
    let end = unsafe {
        let end = match (L::N_REGISTERS, R) {
            (32, 1) => product.add::<L, R, 1, 4>(lanes, product.add::<L, R, 1, 8>(lanes, 0)),
            (32, 2..=4) => product.add::<L, R, 1, 4>(lanes, 0),
            (16, 1) => product.add::<L, R, 1, 8>(lanes, 0),
            (16, 2) => product.add::<L, R, 1, 4>(lanes, 0),
            (16, 3) => product.add::<L, R, 1, 3>(lanes, 0),
            _ => 0,
        };
        let end = product.add::<L, R, 1, 2>(lanes, end);
        let end = product.add::<L, R, 1, 1>(lanes, end);
        if L::N > Lanes8::N { product.add::<Lanes8, R, 1, 1>(lanes.eight(), end) } else { end }
    };
    for col in end..n_cols {
        for r in 0..R {
            let out = &mut rows[r * stride + first + col];
            for i in 0..n {
                *out = a[r * n + i].mul_add(b[i * n_cols + col].to_f32(), *out);
            }
        }
    }
}

/// Rows of which `add_pair` keeps all sums in registers.
const fn rows_of_pairs<L: Lanes>() -> usize {
    if has_room::<L>() { 4 } else { 1 }
}

#[inline(always)]
fn add_pair<L: Lanes>(lanes: L, weights: &[f32], quants: &[i8], out: Columns<'_>, next: &[u8]) {
    match out.rows.len() / out.stride {
        1 => add_pair_rows::<L, 1>(lanes, weights, quants, out, next),
        2 if has_room::<L>() => add_pair_rows::<L, 2>(lanes, weights, quants, out, next),
        3 if has_room::<L>() => add_pair_rows::<L, 3>(lanes, weights, quants, out, next),
        4 if has_room::<L>() => add_pair_rows::<L, 4>(lanes, weights, quants, out, next),
        n_rows => unreachable!("{n_rows} rows together"),
    }
}

#[inline(always)]
fn add_pair_rows<L: Lanes, const R: usize>(
    lanes: L,
    weights: &[f32],
    quants: &[i8],
    out: Columns<'_>,
    next: &[u8],
) {
    let Columns { rows, stride, first } = out;
    let (n, n_cols) = (KEY_BLOCK, VALUE_GROUP);
    assert!(weights.len() == 2 * R * n && quants.len() == 2 * n * n_cols);
    assert!(rows.len() == R * stride && first + 2 * n_cols <= stride);
    let (a, b, start) = (weights.as_ptr(), quants.as_ptr(), rows[first..].as_mut_ptr());
    let product = Product { a, b, out: start, n, n_cols, stride, next };
    // SAFETY: the lengths were asserted.
    unsafe {
        match L::N_REGISTERS {
            32 => product.add::<L, R, 2, 2>(lanes, 0),
            _ => product.add::<L, R, 2, 4>(lanes, 0),
        };
    }
}

/// Some rows of a product, shapes as for `add_product`.
struct Product<'a, T> {
    a: *const f32,
    b: *const T,
    out: *mut f32,
    n: usize,
    n_cols: usize,
    /// From one row of `out` to the next.
    stride: usize,
    next: &'a [u8],
}

impl<T: WideElement> Product<'_, T> {
    /// Lines of `next` that each of `n` steps asks for.
    #[inline(always)]
    fn lines_a_step(&self) -> usize {
        self.next.len().div_ceil(LINE_BYTES).div_ceil(self.n)
    }

    /// The part of `next` that belongs to the `i`th step; the last ones may ask beyond its end.
    #[inline(always)]
    fn prefetch(&self, i: usize, n_lines: usize) {
        let n_bytes = n_lines * LINE_BYTES;
        Ahead::new(self.next.as_ptr(), Cache::L2).skip(i * n_bytes).fetch(n_bytes);
    }

    /// `R` rows times the columns from `first` on, `C` registers of them at a time, for `G` factors
    /// `a` and `b` each, the columns of `out` side by side: more than one only where `C` registers
    /// are all columns. Returns the first column that is left.
    ///
    /// # Safety
    /// `a` points to `G * R * n`, `b` to `G * n * n_cols` and `out` to `R` rows, `stride` apart, of
    /// `G * n_cols` values.
    #[inline(always)]
    unsafe fn add<L: Lanes, const R: usize, const G: usize, const C: usize>(
        &self,
        lanes: L,
        mut first: usize,
    ) -> usize {
        let &Self { a, b, out, n, n_cols, stride, .. } = self;
        assert!(G == 1 || n_cols == C * L::N);
        let mut n_lines = if first == 0 { self.lines_a_step() } else { 0 };
        while first + C * L::N <= n_cols {
            let mut sums = [[[lanes.spread(0.0); C]; R]; G];
            // SAFETY: by the contract and the condition every offset below lies inside.
            unsafe {
                for g in 0..G {
                    for r in 0..R {
                        for c in 0..C {
                            let col = g * n_cols + first + c * L::N;
                            sums[g][r][c] = lanes.load(out.add(r * stride + col));
                        }
                    }
                }
                for i in 0..n {
                    self.prefetch(i, n_lines);
                    for g in 0..G {
                        let mut factors = [lanes.spread(0.0); R];
                        for r in 0..R {
                            factors[r] = lanes.spread(*a.add((g * R + r) * n + i));
                        }
                        for c in 0..C {
                            let at = (g * n + i) * n_cols + first + c * L::N;
                            let terms = T::load(lanes, b.add(at));
                            for r in 0..R {
                                sums[g][r][c] = lanes.mul_add(factors[r], terms, sums[g][r][c]);
                            }
                        }
                    }
                }
                for g in 0..G {
                    for r in 0..R {
                        for c in 0..C {
                            let col = g * n_cols + first + c * L::N;
                            lanes.store(out.add(r * stride + col), sums[g][r][c]);
                        }
                    }
                }
            }
            first += C * L::N;
            n_lines = 0;
        }
        first
    }
}
