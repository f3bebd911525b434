//! `out += a b` in f32 with one fused multiply-add a term, terms in order: the exact weight path
//! and both attention products. Lanes are columns of `b`; accumulators stay in registers.

use std::arch::x86_64::*;

use crate::scalar::attention::check_shapes;
use crate::scalar::matmul::check_f32_panel;
use crate::table::Tile;
use crate::{F32Panel, KEY_BLOCK, PANEL_ROWS, TILE_TOKENS};

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn f32_panel(panel: &F32Panel, x: &[f32], out: &mut [Tile]) {
    check_f32_panel(panel, x, out);
    let values = &panel.values[..panel.n_in];
    // SAFETY: each `RowValues` is 16 values and nothing else.
    let values = unsafe {
        std::slice::from_raw_parts(values.as_ptr().cast::<f32>(), values.len() * PANEL_ROWS)
    };
    for (x, out) in x.chunks(TILE_TOKENS * panel.n_in.max(1)).zip(out) {
        let out = out[..x.len() / panel.n_in].as_flattened_mut();
        out.fill(0.0);
        add_product(x, values, panel.n_in, out);
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn attention_scores(q: &[f32], keys: &[f32], head_dim: usize, out: &mut [f32]) {
    check_shapes(q, keys, head_dim, out);
    out.fill(0.0);
    add_product(q, keys, head_dim, out);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn attention_accumulate(
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
    add_product(weights, values, KEY_BLOCK, acc);
}

/// Rows of `a` and `out` handled together.
const ROWS: usize = 4;

/// `out[r][c] += sum_i a[r][i] * b[i][c]`: `a` `[n_rows, n]`, `b` `[n, n_cols]`, `out`
/// `[n_rows, n_cols]`.
#[target_feature(enable = "avx2,fma,f16c")]
fn add_product(a: &[f32], b: &[f32], n: usize, out: &mut [f32]) {
    if n == 0 {
        return;
    }
    let n_cols = b.len() / n;
    assert_eq!(b.len(), n * n_cols);
    assert_eq!(a.len() / n * n_cols, out.len());
    for (a, out) in a.chunks(ROWS * n).zip(out.chunks_mut(ROWS * n_cols)) {
        match a.len() / n {
            1 => add_rows::<1>(a, b, n, out),
            2 => add_rows::<2>(a, b, n, out),
            3 => add_rows::<3>(a, b, n, out),
            _ => add_rows::<ROWS>(a, b, n, out),
        }
    }
}

/// Splits the columns so that eight or nine sums run side by side, which is what two FMAs a cycle
/// of four cycles each need; more would not fit the 16 registers.
#[target_feature(enable = "avx2,fma,f16c")]
fn add_rows<const R: usize>(a: &[f32], b: &[f32], n: usize, out: &mut [f32]) {
    let n_cols = b.len() / n;
    assert!(a.len() == R * n && b.len() == n * n_cols && out.len() == R * n_cols);
    let mut col = 0;
    // SAFETY: the lengths were asserted; each call covers columns `col..col + 8 C` of `n_cols`.
    unsafe {
        while R == 1 && col + 64 <= n_cols {
            add_block::<R, 8>(a, b, n, n_cols, col, out);
            col += 64;
        }
        while R == 2 && col + 32 <= n_cols {
            add_block::<R, 4>(a, b, n, n_cols, col, out);
            col += 32;
        }
        while R == 3 && col + 24 <= n_cols {
            add_block::<R, 3>(a, b, n, n_cols, col, out);
            col += 24;
        }
        while col + 16 <= n_cols {
            add_block::<R, 2>(a, b, n, n_cols, col, out);
            col += 16;
        }
        while col + 8 <= n_cols {
            add_block::<R, 1>(a, b, n, n_cols, col, out);
            col += 8;
        }
    }
    for col in col..n_cols {
        for r in 0..R {
            let out = &mut out[r * n_cols + col];
            for i in 0..n {
                *out = a[r * n + i].mul_add(b[i * n_cols + col], *out);
            }
        }
    }
}

/// `R` rows times `8 C` columns from `col` on.
///
/// # Safety
/// `a` holds `R * n`, `b` `n * n_cols` and `out` `R * n_cols` values, and
/// `col + 8 * C <= n_cols`.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add_block<const R: usize, const C: usize>(
    a: &[f32],
    b: &[f32],
    n: usize,
    n_cols: usize,
    col: usize,
    out: &mut [f32],
) {
    let (a, b, out) = (a.as_ptr(), b.as_ptr(), out.as_mut_ptr());
    let mut sums = [[_mm256_setzero_ps(); C]; R];
    // SAFETY: by the contract every offset below is inside its slice; loads need no alignment.
    unsafe {
        for r in 0..R {
            for c in 0..C {
                sums[r][c] = _mm256_loadu_ps(out.add(r * n_cols + col + 8 * c));
            }
        }
        for i in 0..n {
            let mut factors = [_mm256_setzero_ps(); R];
            for r in 0..R {
                factors[r] = _mm256_broadcast_ss(&*a.add(r * n + i));
            }
            for c in 0..C {
                let terms = _mm256_loadu_ps(b.add(i * n_cols + col + 8 * c));
                for r in 0..R {
                    sums[r][c] = _mm256_fmadd_ps(factors[r], terms, sums[r][c]);
                }
            }
        }
        for r in 0..R {
            for c in 0..C {
                _mm256_storeu_ps(out.add(r * n_cols + col + 8 * c), sums[r][c]);
            }
        }
    }
}
