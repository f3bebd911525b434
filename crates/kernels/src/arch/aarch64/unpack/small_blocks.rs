//! Formats of 32 values a block; the layouts are those of `block/`.

use std::arch::aarch64::*;

use super::super::registers::{load_i8, load_u8};
use super::lanes::{Lanes, Rows};
use crate::block::iq4_nl;

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn q4_0(rows: Rows<18>, mut lanes: Lanes<8, 1>) {
    let d = rows.f16(0);
    lanes.set_scales(0, d);
    lanes.set_mins(0, vmulq_n_f32(d, 8.0));
    let (low, high) = nibbles(&rows, 2);
    lanes.set_quants(0, low);
    lanes.set_quants(1, high);
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn q4_1(rows: Rows<20>, mut lanes: Lanes<8, 1>) {
    set_scale_and_min(&rows, &mut lanes);
    let (low, high) = nibbles(&rows, 4);
    lanes.set_quants(0, low);
    lanes.set_quants(1, high);
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn q5_0(rows: Rows<22>, mut lanes: Lanes<8, 1>) {
    let d = rows.f16(0);
    lanes.set_scales(0, d);
    lanes.set_mins(0, vmulq_n_f32(d, 16.0));
    set_five_bits(&rows, 2, &mut lanes);
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn q5_1(rows: Rows<24>, mut lanes: Lanes<8, 1>) {
    set_scale_and_min(&rows, &mut lanes);
    set_five_bits(&rows, 4, &mut lanes);
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn q8_0(rows: Rows<34>, mut lanes: Lanes<8, 1>) {
    lanes.set_scales(0, rows.f16(0));
    for part in 0..2 {
        lanes.set_quants(part, rows.words4(2 + 16 * part));
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn iq4_nl(rows: Rows<18>, mut lanes: Lanes<8, 1>) {
    lanes.set_scales(0, rows.f16(0));
    set_picked(&rows, 2, &iq4_nl::VALUES, &mut lanes, 0);
}

/// 32 columns from `16 * part` on: values by their indices, which are at byte `at`.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn set_picked<const BYTES: usize, const STEPS: usize, const GROUPS: usize>(
    rows: &Rows<BYTES>,
    at: usize,
    values: &[i8; 16],
    lanes: &mut Lanes<STEPS, GROUPS>,
    part: usize,
) {
    let values = vreinterpretq_u8_s8(load_i8(values));
    let (low, high) = nibbles(rows, at);
    lanes.set_quants(part, low.map(|q| vqtbl1q_u8(values, q)));
    lanes.set_quants(part + 1, high.map(|q| vqtbl1q_u8(values, q)));
}

/// `d` and `m` of Q4_1 and Q5_1, where `w = d q + m`.
#[inline]
#[target_feature(enable = "neon")]
fn set_scale_and_min<const BYTES: usize>(rows: &Rows<BYTES>, lanes: &mut Lanes<8, 1>) {
    let [d, m] = rows.f16_pairs(0);
    lanes.set_scales(0, d);
    lanes.set_mins(0, vnegq_f32(m));
}

/// The high bits, one word a row, at byte `at`, and the nibbles behind them.
#[inline]
#[target_feature(enable = "neon")]
fn set_five_bits<const BYTES: usize>(rows: &Rows<BYTES>, at: usize, lanes: &mut Lanes<8, 1>) {
    let bits = vreinterpretq_u8_u32(rows.words(at));
    let (mut low, mut high) = nibbles(rows, at + 4);
    for k in 0..4 {
        low[k] = vorrq_u8(low[k], spread_bits(bits, k, 16));
        high[k] = vorrq_u8(high[k], spread_bits(bits, k + 4, 16));
    }
    lanes.set_quants(0, low);
    lanes.set_quants(1, high);
}

/// Bits `4 k..4 k + 4` of each word, as `set` or 0 in the word's four bytes.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn spread_bits(bits: uint8x16_t, k: usize, set: u8) -> uint8x16_t {
    const EVEN: [u8; 16] = [1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8];
    const FIRST_BYTES: [u8; 16] = [0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12];
    let select = if k.is_multiple_of(2) { load_u8(&EVEN) } else { vshlq_n_u8::<4>(load_u8(&EVEN)) };
    let bytes = vaddq_u8(load_u8(&FIRST_BYTES), vdupq_n_u8(k as u8 / 2));
    vandq_u8(vtstq_u8(vqtbl1q_u8(bits, bytes), select), vdupq_n_u8(set))
}

/// The low and the high nibbles of bytes `at..at + 16`, four words each.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn nibbles<const BYTES: usize>(
    rows: &Rows<BYTES>,
    at: usize,
) -> ([uint8x16_t; 4], [uint8x16_t; 4]) {
    let words = rows.words4(at);
    (words.map(|w| vandq_u8(w, vdupq_n_u8(15))), words.map(|w| vshrq_n_u8::<4>(w)))
}
