//! Registers from and to memory, by arrays, so that lengths are types.

use std::arch::aarch64::*;

use crate::{RowValues, Step};

/// Rows `4 quarter..4 quarter + 4` of a step, a row in each word.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_step(step: &Step, quarter: usize) -> int8x16_t {
    let rows: &[[u8; 4]; 4] = &step.0.as_chunks().0[quarter];
    // SAFETY: `rows` are 16 bytes; loads need no alignment.
    unsafe { vld1q_s8(rows.as_ptr().cast()) }
}

/// Rows `2 pair..2 pair + 2` of a step, a row in each word.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_row_pair(step: &Step, pair: usize) -> int8x8_t {
    let rows: &[[u8; 4]; 2] = &step.0.as_chunks().0[pair];
    // SAFETY: `rows` are 8 bytes; loads need no alignment.
    unsafe { vld1_s8(rows.as_ptr().cast()) }
}

/// Rows `4 quarter..4 quarter + 4` of a step, written.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn store_step(step: &mut Step, quarter: usize, quants: uint8x16_t) {
    let rows: &mut [[u8; 4]; 4] = &mut step.0.as_chunks_mut().0[quarter];
    // SAFETY: `rows` are 16 bytes; stores need no alignment.
    unsafe { vst1q_u8(rows.as_mut_ptr().cast(), quants) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_rows(values: &RowValues) -> [float32x4_t; 4] {
    let quarters = values.0.as_chunks().0;
    [0, 1, 2, 3].map(|quarter| load_f32(&quarters[quarter]))
}

/// Values of rows `4 quarter..4 quarter + 4`.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn store_rows(values: &mut RowValues, quarter: usize, lanes: float32x4_t) {
    store_f32(&mut values.0.as_chunks_mut().0[quarter], lanes);
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_u8(x: &[u8; 16]) -> uint8x16_t {
    // SAFETY: the array is what is read; loads need no alignment.
    unsafe { vld1q_u8(x.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_i8(x: &[i8; 16]) -> int8x16_t {
    // SAFETY: the array is what is read; loads need no alignment.
    unsafe { vld1q_s8(x.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn store_i8(x: &mut [i8; 16], lanes: int8x16_t) {
    // SAFETY: the array is what is written; stores need no alignment.
    unsafe { vst1q_s8(x.as_mut_ptr(), lanes) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_u16(x: &[u16; 4]) -> uint16x4_t {
    // SAFETY: the array is what is read; loads need no alignment.
    unsafe { vld1_u16(x.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn store_u16(x: &mut [u16; 4], lanes: uint16x4_t) {
    // SAFETY: the array is what is written; stores need no alignment.
    unsafe { vst1_u16(x.as_mut_ptr(), lanes) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_u32(x: &[u32; 4]) -> uint32x4_t {
    // SAFETY: the array is what is read; loads need no alignment.
    unsafe { vld1q_u32(x.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn store_u32(lanes: uint32x4_t) -> [u32; 4] {
    let mut x = [0; 4];
    // SAFETY: the array is what is written; stores need no alignment.
    unsafe { vst1q_u32(x.as_mut_ptr(), lanes) };
    x
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_f32(x: &[f32; 4]) -> float32x4_t {
    // SAFETY: the array is what is read; loads need no alignment.
    unsafe { vld1q_f32(x.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn store_f32(x: &mut [f32; 4], lanes: float32x4_t) {
    // SAFETY: the array is what is written; stores need no alignment.
    unsafe { vst1q_f32(x.as_mut_ptr(), lanes) }
}
