//! Formats of 256 values a block; the layouts are those of `block/`.

use std::arch::aarch64::*;

use super::lanes::{Lanes, Rows, f16_pairs};
use super::small_blocks::{nibbles, set_picked};
use crate::block::iq4_nl;

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn q2_k(rows: Rows<84>, mut lanes: Lanes<64, 16>) {
    let [d, dmin] = rows.f16_pairs(80);
    let (scales, mins) = nibbles(&rows, 0);
    for (i, (scales, mins)) in scales.into_iter().zip(mins).enumerate() {
        let codes = unsigned_bytes(scales).into_iter().zip(unsigned_bytes(mins));
        for (j, (s, m)) in codes.enumerate() {
            lanes.set_scales(4 * i + j, vmulq_f32(d, s));
            lanes.set_mins(4 * i + j, vmulq_f32(dmin, m));
        }
    }
    set_pairs(&rows, 16, &mut lanes);
}

/// 256 columns of two bits from byte `at` on.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn set_pairs<const BYTES: usize, const GROUPS: usize>(
    rows: &Rows<BYTES>,
    at: usize,
    lanes: &mut Lanes<64, GROUPS>,
) {
    let three = vdupq_n_u8(3);
    for part in 0..4 {
        let mut pairs = rows.words4(at + 16 * part);
        for j in 0..4 {
            let first = part / 2 * 8 + part % 2;
            lanes.set_quants(first + 2 * j, pairs.map(|pairs| vandq_u8(pairs, three)));
            pairs = pairs.map(|pairs| vshrq_n_u8::<2>(pairs));
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn q3_k(rows: Rows<110>, mut lanes: Lanes<64, 16>) {
    let d = rows.f16(108);
    let ([_, a, b, _], [_, c, e, _]) = nibbles(&rows, 92);
    let top = vreinterpretq_u8_u32(rows.words(104));
    let tops = [top, vshrq_n_u8::<2>(top), vshrq_n_u8::<4>(top), vshrq_n_u8::<6>(top)];
    for (i, (code, top)) in [a, b, c, e].into_iter().zip(tops).enumerate() {
        let top = vshlq_n_u8::<4>(vandq_u8(top, vdupq_n_u8(3)));
        let code = vsubq_u8(vorrq_u8(code, top), vdupq_n_u8(32));
        for (j, s) in signed_bytes(code).into_iter().enumerate() {
            let scale = vmulq_f32(d, s);
            lanes.set_scales(4 * i + j, scale);
            lanes.set_mins(4 * i + j, vmulq_n_f32(scale, 4.0));
        }
    }
    let (three, four) = (vdupq_n_u8(3), vdupq_n_u8(4));
    for part in 0..2 {
        let mut bits = rows.words4(16 * part);
        for n in 0..2 {
            let mut pairs = rows.words4(32 + 32 * n + 16 * part);
            for j in 0..4 {
                let mut quants = pairs.map(|pairs| vandq_u8(pairs, three));
                for k in 0..4 {
                    // Bit 4 n + j, moved to bit 2.
                    let bit = vandq_u8(vshlq_n_u8::<2>(bits[k]), four);
                    quants[k] = vorrq_u8(quants[k], bit);
                    bits[k] = vshrq_n_u8::<1>(bits[k]);
                    pairs[k] = vshrq_n_u8::<2>(pairs[k]);
                }
                lanes.set_quants(8 * n + 2 * j + part, quants);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn q4_k(rows: Rows<144>, mut lanes: Lanes<64, 8>) {
    set_k_scales(&rows, &mut lanes);
    for i in 0..8 {
        let (low, high) = nibbles(&rows, 16 + 16 * i);
        let part = i / 2 * 4 + i % 2;
        lanes.set_quants(part, low);
        lanes.set_quants(part + 2, high);
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn q5_k(rows: Rows<176>, mut lanes: Lanes<64, 8>) {
    set_k_scales(&rows, &mut lanes);
    let fifth = vdupq_n_u8(16);
    for part in 0..2 {
        let mut bits = rows.words4(16 + 16 * part);
        for pair in 0..4 {
            let (mut low, mut high) = nibbles(&rows, 48 + 32 * pair + 16 * part);
            for k in 0..4 {
                // Bits 2 pair and 2 pair + 1 are now bits 0 and 1.
                low[k] = vorrq_u8(low[k], vandq_u8(vshlq_n_u8::<4>(bits[k]), fifth));
                high[k] = vorrq_u8(high[k], vandq_u8(vshlq_n_u8::<3>(bits[k]), fifth));
                bits[k] = vshrq_n_u8::<2>(bits[k]);
            }
            lanes.set_quants(4 * pair + part, low);
            lanes.set_quants(4 * pair + part + 2, high);
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn q6_k(rows: Rows<210>, mut lanes: Lanes<64, 16>) {
    let d = rows.f16(208);
    for (i, codes) in rows.words4(192).into_iter().enumerate() {
        for (j, s) in signed_bytes(codes).into_iter().enumerate() {
            let scale = vmulq_f32(d, s);
            lanes.set_scales(4 * i + j, scale);
            lanes.set_mins(4 * i + j, vmulq_n_f32(scale, 32.0));
        }
    }
    let top = vdupq_n_u8(0x30);
    for n in 0..2 {
        for part in 0..2 {
            let (even, even_high) = nibbles(&rows, 64 * n + 16 * part);
            let (odd, odd_high) = nibbles(&rows, 64 * n + 32 + 16 * part);
            let mut bits = rows.words4(128 + 32 * n + 16 * part);
            for (r, mut quants) in [even, odd, even_high, odd_high].into_iter().enumerate() {
                for k in 0..4 {
                    // Bits 2 r and 2 r + 1 are now bits 0 and 1.
                    let top_bits = vandq_u8(vshlq_n_u8::<4>(bits[k]), top);
                    quants[k] = vorrq_u8(quants[k], top_bits);
                    bits[k] = vshrq_n_u8::<2>(bits[k]);
                }
                lanes.set_quants(8 * n + 2 * r + part, quants);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn q8_k(rows: Rows<292>, mut lanes: Lanes<64, 8>) {
    let d = vreinterpretq_f32_u32(rows.words(0));
    for g in 0..8 {
        lanes.set_scales(g, d);
    }
    for part in 0..16 {
        lanes.set_quants(part, rows.words4(4 + 16 * part));
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn iq4_xs(rows: Rows<136>, mut lanes: Lanes<64, 8>) {
    let (first, mut low) = (rows.words(0), rows.words(4));
    let [d, _] = f16_pairs(first);
    let mut high = vshrq_n_u32::<16>(first);
    for g in 0..8 {
        let low_bits = vandq_u32(low, vdupq_n_u32(15));
        let high_bits = vandq_u32(vshlq_n_u32::<4>(high), vdupq_n_u32(0x30));
        (high, low) = (vshrq_n_u32::<2>(high), vshrq_n_u32::<4>(low));
        let code = vreinterpretq_s32_u32(vorrq_u32(low_bits, high_bits));
        let code = vsubq_s32(code, vdupq_n_s32(32));
        lanes.set_scales(g, vmulq_f32(d, vcvtq_f32_s32(code)));
        set_picked(&rows, 8 + 16 * g, &iq4_nl::VALUES, &mut lanes, 2 * g);
    }
}

/// The 16 bytes that Q4_K and Q5_K start with: `d`, `dmin` and three words of codes.
#[inline]
#[target_feature(enable = "neon")]
fn set_k_scales<const BYTES: usize>(rows: &Rows<BYTES>, lanes: &mut Lanes<64, 8>) {
    let [d, a, b, c] = rows.words4(0);
    let [d, dmin] = f16_pairs(vreinterpretq_u32_u8(d));
    let six = vdupq_n_u8(63);
    let top = |v| vandq_u8(vshrq_n_u8::<2>(v), vdupq_n_u8(0x30));
    let scales = [vandq_u8(a, six), vorrq_u8(vandq_u8(c, vdupq_n_u8(15)), top(a))];
    let mins = [vandq_u8(b, six), vorrq_u8(vshrq_n_u8::<4>(c), top(b))];
    for i in 0..2 {
        let codes = unsigned_bytes(scales[i]).into_iter().zip(unsigned_bytes(mins[i]));
        for (j, (s, m)) in codes.enumerate() {
            lanes.set_scales(4 * i + j, vmulq_f32(d, s));
            lanes.set_mins(4 * i + j, vmulq_f32(dmin, m));
        }
    }
}

/// Byte `j` of every word as f32, for `j < 4`.
#[inline]
#[target_feature(enable = "neon")]
fn unsigned_bytes(v: uint8x16_t) -> [float32x4_t; 4] {
    let v = vreinterpretq_u32_u8(v);
    let low = |v| vandq_u32(v, vdupq_n_u32(255));
    let bytes = [low(v), low(vshrq_n_u32::<8>(v)), low(vshrq_n_u32::<16>(v)), vshrq_n_u32::<24>(v)];
    bytes.map(|v| vcvtq_f32_u32(v))
}

/// Byte `j` of every word, two's complement, as f32, for `j < 4`.
#[inline]
#[target_feature(enable = "neon")]
fn signed_bytes(v: uint8x16_t) -> [float32x4_t; 4] {
    let v = vreinterpretq_s32_u8(v);
    let tops = [vshlq_n_s32::<24>(v), vshlq_n_s32::<16>(v), vshlq_n_s32::<8>(v), v];
    tops.map(|v| vcvtq_f32_s32(vshrq_n_s32::<24>(v)))
}
