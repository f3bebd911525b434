//! Formats of one and two bits and of three values; the layouts are those of `block/`.

use std::arch::aarch64::*;

use super::k_quants::set_pairs;
use super::lanes::{Lanes, Rows};
use super::small_blocks::spread_bits;

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn tq1_0(rows: Rows<54>, mut lanes: Lanes<64, 8>) {
    let d = rows.f16(52);
    set_one_scale(d, d, &mut lanes);
    for (at, first, stride) in [(0, 0, 2), (16, 1, 2), (32, 10, 1)] {
        let mut fractions = rows.words4(at);
        for n in 0..5 {
            lanes.set_quants(first + stride * n, fractions.map(|fraction| digit(fraction)));
            fractions = fractions.map(|fraction| times_3(fraction));
        }
    }
    let first = vreinterpretq_u8_u32(rows.words(48));
    let second = times_3(first);
    let third = times_3(second);
    let fractions = [first, second, third, times_3(third)];
    lanes.set_quants(15, fractions.map(|fraction| digit(fraction)));
}

/// The first digit of each byte, a fraction in base 3.
#[inline]
#[target_feature(enable = "neon")]
fn digit(fraction: uint8x16_t) -> uint8x16_t {
    let is_above = |bound| vshrq_n_u8::<7>(vcgtq_u8(fraction, vdupq_n_u8(bound)));
    vaddq_u8(is_above(85), is_above(170))
}

/// The fraction of the digits behind the first.
#[inline]
#[target_feature(enable = "neon")]
fn times_3(fraction: uint8x16_t) -> uint8x16_t {
    vmulq_u8(fraction, vdupq_n_u8(3))
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn tq2_0(rows: Rows<66>, mut lanes: Lanes<64, 8>) {
    let d = rows.f16(64);
    set_one_scale(d, d, &mut lanes);
    set_pairs(&rows, 0, &mut lanes);
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn q1_0(rows: Rows<18>, mut lanes: Lanes<32, 4>) {
    let d = rows.f16(0);
    set_one_scale(vaddq_f32(d, d), d, &mut lanes);
    for (g, word) in rows.words4(2).into_iter().enumerate() {
        for half in 0..2 {
            let quants = [0, 1, 2, 3].map(|k| spread_bits(word, 4 * half + k, 1));
            lanes.set_quants(2 * g + half, quants);
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn q2_0(rows: Rows<18>, mut lanes: Lanes<16, 2>) {
    let d = rows.f16(0);
    set_one_scale(d, d, &mut lanes);
    for (part, words) in rows.words4(2).into_iter().enumerate() {
        let words = vreinterpretq_u32_u8(words);
        let bytes =
            [words, vshrq_n_u32::<8>(words), vshrq_n_u32::<16>(words), vshrq_n_u32::<24>(words)];
        lanes.set_quants(part, bytes.map(|bytes| spread_pairs(bytes)));
    }
}

/// Bits `2j` and `2j + 1` of the low byte in byte `j`.
#[inline]
#[target_feature(enable = "neon")]
fn spread_pairs(words: uint32x4_t) -> uint8x16_t {
    let byte = vandq_u32(words, vdupq_n_u32(255));
    let two = vorrq_u32(byte, vshlq_n_u32::<12>(byte));
    let four = vorrq_u32(two, vshlq_n_u32::<6>(two));
    vandq_u8(vreinterpretq_u8_u32(four), vdupq_n_u8(3))
}

/// The same for all groups of a block.
#[inline]
#[target_feature(enable = "neon")]
fn set_one_scale<const STEPS: usize, const GROUPS: usize>(
    scale: float32x4_t,
    min: float32x4_t,
    lanes: &mut Lanes<STEPS, GROUPS>,
) {
    for g in 0..GROUPS {
        lanes.set_scales(g, scale);
        lanes.set_mins(g, min);
    }
}
