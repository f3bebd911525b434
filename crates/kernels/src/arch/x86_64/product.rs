//! `out += a b` in f32 with one fused multiply-add a term, terms in order: the exact weight path
//! and both attention products. Lanes are columns of `b`; accumulators stay in registers.

use super::lanes::{Lanes, Lanes8, Lanes16};
use crate::scalar::attention::{check_shapes, start_accumulate};
use crate::scalar::matmul::check_f32_panel;
use crate::table::Tile;
use crate::{F32Panel, KEY_BLOCK, PANEL_ROWS};

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
    lanes.add_product(x, values, panel.n_in, out);
}

#[inline(always)]
pub(super) fn attention_scores<L: Width>(
    lanes: L,
    q: &[f32],
    keys: &[f32],
    head_dim: usize,
    out: &mut [f32],
) {
    check_shapes(q, keys, head_dim, out);
    out.fill(0.0);
    lanes.add_product(q, keys, head_dim, out);
}

#[inline(always)]
pub(super) fn attention_accumulate<L: Width>(
    lanes: L,
    weights: &[f32],
    rescale: &[f32],
    values: &[f32],
    head_dim: usize,
    acc: &mut [f32],
) {
    start_accumulate(weights, rescale, values, head_dim, acc);
    lanes.add_product(weights, values, KEY_BLOCK, acc);
}

/// `add_product`, compiled once for a width.
pub(super) trait Width: Lanes {
    /// `out[r][c] += sum_i a[r][i] * b[i][c]`: `a` `[n_rows, n]`, `b` `[n, n_cols]`, `out`
    /// `[n_rows, n_cols]`.
    fn add_product(self, a: &[f32], b: &[f32], n: usize, out: &mut [f32]);
}

macro_rules! width {
    ($lanes:ident, $features:literal) => {
        impl Width for $lanes {
            fn add_product(self, a: &[f32], b: &[f32], n: usize, out: &mut [f32]) {
                #[target_feature(enable = $features)]
                fn with_features(lanes: $lanes, a: &[f32], b: &[f32], n: usize, out: &mut [f32]) {
                    add_product(lanes, a, b, n, out);
                }
                // SAFETY: `self` is the proof of the instructions.
                unsafe { with_features(self, a, b, n, out) }
            }
        }
    };
}
width!(Lanes8, "avx2,fma");
width!(Lanes16, "avx2,fma,avx512f");

#[inline(always)]
fn add_product<L: Lanes>(lanes: L, a: &[f32], b: &[f32], n: usize, out: &mut [f32]) {
    if n == 0 {
        return;
    }
    let n_cols = b.len() / n;
    assert_eq!(b.len(), n * n_cols);
    assert_eq!(a.len() / n * n_cols, out.len());
    let has_room = const { L::N_REGISTERS == 32 };
    let n_together = if has_room { 8 } else { 4 };
    for (a, out) in a.chunks(n_together * n).zip(out.chunks_mut(n_together * n_cols)) {
        if has_room && a.len() == 8 * n {
            add_rows::<L, 8>(lanes, a, b, n, out);
            continue;
        }
        for (a, out) in a.chunks(4 * n).zip(out.chunks_mut(4 * n_cols)) {
            match a.len() / n {
                1 => add_rows::<L, 1>(lanes, a, b, n, out),
                2 => add_rows::<L, 2>(lanes, a, b, n, out),
                3 => add_rows::<L, 3>(lanes, a, b, n, out),
                _ => add_rows::<L, 4>(lanes, a, b, n, out),
            }
        }
    }
}

/// Splits the columns so that many sums run side by side, which is what two FMAs a cycle of four
/// cycles each need, and no more than there are registers for.
#[inline(always)]
fn add_rows<L: Lanes, const R: usize>(lanes: L, a: &[f32], b: &[f32], n: usize, out: &mut [f32]) {
    let n_cols = b.len() / n;
    assert!(a.len() == R * n && b.len() == n * n_cols && out.len() == R * n_cols);
    let product = Product { a: a.as_ptr(), b: b.as_ptr(), out: out.as_mut_ptr(), n, n_cols };
    // SAFETY: the lengths were asserted.
    let first = unsafe {
        let first = match (L::N_REGISTERS, R) {
            (32, 1) => product.add::<L, R, 4>(lanes, product.add::<L, R, 8>(lanes, 0)),
            (32, 2..=4) => product.add::<L, R, 4>(lanes, 0),
            (16, 1) => product.add::<L, R, 8>(lanes, 0),
            (16, 2) => product.add::<L, R, 4>(lanes, 0),
            (16, 3) => product.add::<L, R, 3>(lanes, 0),
            _ => 0,
        };
        let first = product.add::<L, R, 2>(lanes, first);
        let first = product.add::<L, R, 1>(lanes, first);
        if L::N > Lanes8::N { product.add::<Lanes8, R, 1>(lanes.eight(), first) } else { first }
    };
    for col in first..n_cols {
        for r in 0..R {
            let out = &mut out[r * n_cols + col];
            for i in 0..n {
                *out = a[r * n + i].mul_add(b[i * n_cols + col], *out);
            }
        }
    }
}

/// Some rows of a product, shapes as for `add_product`.
struct Product {
    a: *const f32,
    b: *const f32,
    out: *mut f32,
    n: usize,
    n_cols: usize,
}

impl Product {
    /// `R` rows times the columns from `first` on, `C` registers of them at a time. Returns the
    /// first column that is left.
    ///
    /// # Safety
    /// `a` points to `R * n`, `b` to `n * n_cols` and `out` to `R * n_cols` values.
    #[inline(always)]
    unsafe fn add<L: Lanes, const R: usize, const C: usize>(
        &self,
        lanes: L,
        mut first: usize,
    ) -> usize {
        let &Self { a, b, out, n, n_cols } = self;
        while first + C * L::N <= n_cols {
            let mut sums = [[lanes.spread(0.0); C]; R];
            // SAFETY: by the contract and the condition every offset below lies inside.
            unsafe {
                for r in 0..R {
                    for c in 0..C {
                        sums[r][c] = lanes.load(out.add(r * n_cols + first + c * L::N));
                    }
                }
                for i in 0..n {
                    let mut factors = [lanes.spread(0.0); R];
                    for r in 0..R {
                        factors[r] = lanes.spread(*a.add(r * n + i));
                    }
                    for c in 0..C {
                        let terms = lanes.load(b.add(i * n_cols + first + c * L::N));
                        for r in 0..R {
                            sums[r][c] = lanes.mul_add(factors[r], terms, sums[r][c]);
                        }
                    }
                }
                for r in 0..R {
                    for c in 0..C {
                        lanes.store(out.add(r * n_cols + first + c * L::N), sums[r][c]);
                    }
                }
            }
            first += C * L::N;
        }
        first
    }
}
