//! F32, F16 and BF16 rows to f32 panels, 16 bytes of eight rows at a time.

use std::arch::x86_64::*;

use super::Source;
use super::lanes::{Rows, f16_pairs};
use crate::block::decode_row_inline;
use crate::{DType, PANEL_ROWS, RowValues};

const HALF: usize = PANEL_ROWS / 2;
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
            let start = half * HALF * source.row_bytes + step * STEP_BYTES;
            // SAFETY: of step `step` all 16 rows hold `STEP_BYTES` bytes, as asserted.
            let rows = unsafe {
                Rows::<STEP_BYTES>::new(source.rows.as_ptr().add(start), source.row_bytes)
            };
            for (j, words) in rows.words4(0).into_iter().enumerate() {
                for (i, lanes) in convert(words).into_iter().enumerate() {
                    let col = (4 * step + j) * PER_WORD + i;
                    let out = &mut values[col].0[half * HALF..][..HALF];
                    // SAFETY: `out` holds 8 values; the store needs no alignment.
                    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), lanes) };
                }
            }
        }
    }
}

/// The low and the high half of each word, both bf16.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn bf16_pairs(words: __m256i) -> [__m256; 2] {
    let high = _mm256_and_si256(words, _mm256_set1_epi32(0xffff_0000_u32 as i32));
    [_mm256_castsi256_ps(_mm256_slli_epi32::<16>(words)), _mm256_castsi256_ps(high)]
}
