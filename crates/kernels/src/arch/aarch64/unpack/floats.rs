//! F32, F16 and BF16 rows to f32 panels, 16 bytes of four rows at a time.

use std::arch::aarch64::*;

use super::super::registers::store_rows;
use super::lanes::{Rows, f16_pairs};
use crate::block::decode_row_inline;
use crate::{DType, PANEL_ROWS, RowValues};

const STEP_BYTES: usize = 16;

/// The columns from `first_col` on: `values` `[n_cols]`.
#[target_feature(enable = "neon")]
pub(in super::super) fn unpack(
    dtype: DType,
    rows: &[&[u8]; PANEL_ROWS],
    first_col: usize,
    values: &mut [RowValues],
) {
    let col_bytes = dtype.block_bytes();
    let rows = rows.map(|row| &row[first_col * col_bytes..][..values.len() * col_bytes]);
    match dtype {
        DType::F32 => each(&rows, values, |words| [vreinterpretq_f32_u32(words)]),
        DType::F16 => each(&rows, values, |words| f16_pairs(words)),
        DType::BF16 => each(&rows, values, |words| bf16_pairs(words)),
        _ => unreachable!("{dtype} is not a float type"),
    }
    let step_cols = STEP_BYTES / col_bytes;
    let n_done = values.len() / step_cols * step_cols;
    let mut row_rest = [0.0; STEP_BYTES / 2];
    let row_rest = &mut row_rest[..values.len() - n_done];
    for (r, row) in rows.iter().enumerate() {
        decode_row_inline(dtype, &row[n_done * col_bytes..], row_rest);
        values[n_done..].iter_mut().zip(&*row_rest).for_each(|(col, &w)| col.0[r] = w);
    }
}

/// `convert` gives the columns of each word, in order.
#[target_feature(enable = "neon")]
fn each<const PER_WORD: usize>(
    rows: &[&[u8]; PANEL_ROWS],
    values: &mut [RowValues],
    convert: impl Fn(uint32x4_t) -> [float32x4_t; PER_WORD],
) {
    let steps = rows.map(|row| row.as_chunks::<STEP_BYTES>().0);
    for (i, values) in values.chunks_exact_mut(4 * PER_WORD).enumerate() {
        for quarter in 0..4 {
            let rows = Rows([0, 1, 2, 3].map(|r| &steps[4 * quarter + r][i]));
            let words = rows.words4(0).map(|words| vreinterpretq_u32_u8(words));
            for (words, values) in words.into_iter().zip(values.chunks_exact_mut(PER_WORD)) {
                for (lanes, values) in convert(words).into_iter().zip(values) {
                    store_rows(values, quarter, lanes);
                }
            }
        }
    }
}

/// The low and the high half of each word, both bf16.
#[inline]
#[target_feature(enable = "neon")]
fn bf16_pairs(words: uint32x4_t) -> [float32x4_t; 2] {
    let high = vandq_u32(words, vdupq_n_u32(0xffff_0000));
    [vreinterpretq_f32_u32(vshlq_n_u32::<16>(words)), vreinterpretq_f32_u32(high)]
}
