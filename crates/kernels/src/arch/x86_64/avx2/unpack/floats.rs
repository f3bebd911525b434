//! F32, F16 and BF16 rows to f32 panels or products, 16 bytes of eight rows at a time.

use std::arch::x86_64::*;

use super::lanes::{N_ROWS, Rows, f16_pairs};
use super::{Source, next_panel, store_rows};
use crate::block::decode_row_inline;
use crate::scalar::matmul as scalar;
use crate::table::Tile;
use crate::{DType, PANEL_ROWS, RowValues};

const STEP_BYTES: usize = 16;

/// `values`: `[n_in]`.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn unpack(dtype: DType, source: Source, values: &mut [RowValues]) {
    match dtype {
        DType::F32 => each(source, values, |words| [_mm256_castsi256_ps(words)]),
        DType::F16 => each(source, values, |words| f16_pairs(words).into()),
        DType::BF16 => each(source, values, |words| bf16_pairs(words)),
        _ => unreachable!("{dtype} is not a float type"),
    }
    let n_steps = source.row_bytes / STEP_BYTES;
    let step_cols = STEP_BYTES / dtype.block_bytes();
    let rest = &mut values[n_steps * step_cols..];
    let mut row_rest = [0.0; STEP_BYTES / 2];
    let row_rest = &mut row_rest[..rest.len()];
    for (r, row) in source.rows.chunks_exact(source.row_bytes).enumerate() {
        decode_row_inline(dtype, &row[n_steps * STEP_BYTES..], row_rest);
        rest.iter_mut().zip(&*row_rest).for_each(|(col, &w)| col.0[r] = w);
    }
}

/// `convert` gives the columns of each word, in order.
#[target_feature(enable = "avx2,fma,f16c")]
fn each<const PER_WORD: usize>(
    source: Source,
    values: &mut [RowValues],
    convert: impl Fn(__m256i) -> [__m256; PER_WORD],
) {
    assert!(source.rows.len() == PANEL_ROWS * source.row_bytes);
    for step in 0..source.row_bytes / STEP_BYTES {
        for half in 0..2 {
            let start = half * N_ROWS * source.row_bytes + step * STEP_BYTES;
            // SAFETY: of step `step` all 16 rows hold `STEP_BYTES` bytes, as asserted.
            let mut rows = unsafe {
                Rows::<STEP_BYTES>::new(source.rows.as_ptr().add(start), source.row_bytes)
            };
            for (j, words) in rows.words4(0).into_iter().enumerate() {
                for (i, lanes) in convert(words).into_iter().enumerate() {
                    let col = (4 * step + j) * PER_WORD + i;
                    let out = &mut values[col].0[half * N_ROWS..][..N_ROWS];
                    // SAFETY: `out` holds 8 values; the store needs no alignment.
                    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), lanes) };
                }
            }
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) fn f32_rows(
    dtype: DType,
    rows: &[u8],
    n_in: usize,
    x: &[f32],
    out: &mut [Tile],
) {
    let (n_tokens, n_rows) = scalar::start_f32_rows(dtype, rows, n_in, x, out);
    let row_bytes = rows.len() / n_rows.max(1);
    let panels = rows.chunks(PANEL_ROWS * row_bytes.max(1));
    for (rows, out) in panels.zip(out) {
        if rows.len() < N_ROWS * row_bytes {
            scalar::f32_rows(dtype, rows, n_in, x, std::slice::from_mut(out));
            continue;
        }
        let source = Source { rows, row_bytes };
        match n_tokens {
            0 => (),
            1 => multiply::<1>(dtype, source, x, out),
            2 => multiply::<2>(dtype, source, x, out),
            3 => multiply::<3>(dtype, source, x, out),
            _ => multiply::<4>(dtype, source, x, out),
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn multiply<const T: usize>(dtype: DType, source: Source, x: &[f32], out: &mut Tile) {
    match dtype {
        DType::F32 => multiply_each::<T, 1>(source, x, out, |words| [_mm256_castsi256_ps(words)]),
        DType::F16 => multiply_each::<T, 2>(source, x, out, |words| f16_pairs(words).into()),
        DType::BF16 => multiply_each::<T, 2>(source, x, out, |words| bf16_pairs(words)),
        _ => unreachable!("{dtype} is not a float type"),
    }
    let n_in = x.len() / T;
    let n_done = source.row_bytes / STEP_BYTES * STEP_BYTES;
    let mut rest = [0.0; STEP_BYTES / 2];
    let rest = &mut rest[..(source.row_bytes - n_done) / dtype.block_bytes()];
    for (r, row) in source.rows.chunks_exact(source.row_bytes).enumerate() {
        decode_row_inline(dtype, &row[n_done..], rest);
        for (x, out) in x.chunks_exact(n_in).zip(out.iter_mut()) {
            let x = &x[n_in - rest.len()..];
            out[r] = rest.iter().zip(x).fold(out[r], |sum, (w, x)| w.mul_add(*x, sum));
        }
    }
}

/// The whole steps of the first eight rows and of the last eight, see `int_rows`. `convert` gives
/// the columns of each word, in order.
#[target_feature(enable = "avx2,fma,f16c")]
fn multiply_each<const T: usize, const PER_WORD: usize>(
    source: Source,
    x: &[f32],
    out: &mut Tile,
    convert: impl Fn(__m256i) -> [__m256; PER_WORD],
) {
    let Source { rows, row_bytes } = source;
    let n_in = x.len() / T;
    assert!(rows.len() >= N_ROWS * row_bytes && row_bytes <= n_in * 4 / PER_WORD);
    let first_rows = [0, rows.len() / row_bytes - N_ROWS];
    let mut acc = [[_mm256_setzero_ps(); T]; 2];
    let mut ahead = next_panel(source, 0);
    for step in 0..row_bytes / STEP_BYTES {
        let mut words = [[_mm256_setzero_si256(); 4]; 2];
        for (words, first_row) in words.iter_mut().zip(first_rows) {
            let start = first_row * row_bytes + step * STEP_BYTES;
            // SAFETY: of step `step` all rows hold `STEP_BYTES` bytes, and there are eight from
            // either first row on, as asserted.
            let rows = unsafe { Rows::<STEP_BYTES>::new(rows.as_ptr().add(start), row_bytes) };
            *words = rows.prefetching(ahead).words4(0);
            ahead = ahead.wrapping_add(N_ROWS * STEP_BYTES);
        }
        for j in 0..4 {
            let weights = words.map(|words| convert(words[j]));
            for i in 0..PER_WORD {
                let col = (4 * step + j) * PER_WORD + i;
                for t in 0..T {
                    // SAFETY: `col < n_in`: rows have no more bytes than columns, as asserted.
                    let x = _mm256_set1_ps(unsafe { *x.get_unchecked(t * n_in + col) });
                    for half in 0..2 {
                        acc[half][t] = _mm256_fmadd_ps(weights[half][i], x, acc[half][t]);
                    }
                }
            }
        }
    }
    store_rows(first_rows, acc, out);
}

/// The low and the high half of each word, both bf16.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn bf16_pairs(words: __m256i) -> [__m256; 2] {
    let high = _mm256_and_si256(words, _mm256_set1_epi32(0xffff_0000_u32 as i32));
    [_mm256_castsi256_ps(_mm256_slli_epi32::<16>(words)), _mm256_castsi256_ps(high)]
}
