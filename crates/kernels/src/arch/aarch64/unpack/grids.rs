//! Formats whose columns are points of a grid; the layouts are those of `block/`, the tables those
//! of `block/codebook.rs`.

use std::arch::aarch64::*;

use super::super::registers::{load_i8, load_u8, load_u32, store_u32};
use super::lanes::{Lanes, Rows, f16_pairs};
use crate::block::codebook::{self, IQ1_M_VALUES, IQ2_VALUES, IQ3_S_VALUES, IQ3_XXS_VALUES};

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn iq2_xxs(rows: Rows<66>, mut lanes: Lanes<64, 8>) {
    let d = rows.f16(0);
    for g in 0..8 {
        let (indices, last) = (rows.words(2 + 8 * g), rows.words(6 + 8 * g));
        lanes.set_scales(g, affine(d, vshrq_n_u32::<28>(last), [0.25, 0.125]));
        let signs = even_signs(spread_sevens(last));
        for half in 0..2 {
            let points = [2 * half, 2 * half + 1];
            let codes = points.map(|l| look_up(&codebook::IQ2_XXS, byte(indices, l)));
            lanes.set_quants(2 * g + half, signed(&IQ2_VALUES, codes, signs, 2 * half));
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn iq2_xs(rows: Rows<74>, mut lanes: Lanes<64, 16>) {
    set_nibble_scales(rows.f16(0), [rows.words(66), rows.words(70)], &mut lanes);
    for part in 0..16 {
        let pairs = rows.words(2 + 4 * part);
        let sevens = vorrq_u32(bits(pairs, 9, 0x7f), bits(pairs, 17, 0x7f00));
        let codes = [0, 16].map(|first| look_up(&codebook::IQ2_XS, bits(pairs, first, 511)));
        lanes.set_quants(part, signed(&IQ2_VALUES, codes, even_signs(sevens), 0));
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn iq2_s(rows: Rows<82>, mut lanes: Lanes<64, 16>) {
    set_nibble_scales(rows.f16(0), [rows.words(74), rows.words(78)], &mut lanes);
    let high = [rows.words(66), rows.words(70)];
    for g in 0..8 {
        let (low, signs) = (rows.words(2 + 4 * g), rows.words(34 + 4 * g));
        for half in 0..2 {
            let codes = [2 * half, 2 * half + 1].map(|l| {
                let top = bits(high[g / 4], 8 * (g % 4) + 2 * l, 3);
                look_up(&codebook::IQ2_S, index(low, l, top))
            });
            lanes.set_quants(2 * g + half, signed(&IQ2_VALUES, codes, signs, 2 * half));
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn iq3_xxs(rows: Rows<98>, mut lanes: Lanes<64, 8>) {
    let d = rows.f16(0);
    for g in 0..8 {
        let last = rows.words(66 + 4 * g);
        lanes.set_scales(g, affine(d, vshrq_n_u32::<28>(last), [0.5, 0.25]));
        let signs = even_signs(spread_sevens(last));
        for half in 0..2 {
            let indices = rows.words(2 + 8 * g + 4 * half);
            let four = |l: usize| look_up(&codebook::IQ3_XXS, byte(indices, l));
            let codes = join_fours([four(0), four(1), four(2), four(3)]);
            lanes.set_quants(2 * g + half, signed(&IQ3_XXS_VALUES, codes, signs, 2 * half));
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn iq3_s(rows: Rows<110>, mut lanes: Lanes<64, 8>) {
    let (d, scales) = (rows.f16(0), rows.words(106));
    let high = [rows.words(66), rows.words(70)];
    for g in 0..8 {
        lanes.set_scales(g, affine(d, bits(scales, 4 * g, 15), [2.0, 1.0]));
        let signs = rows.words(74 + 4 * g);
        for half in 0..2 {
            let low = rows.words(2 + 8 * g + 4 * half);
            let four = |l: usize| {
                let top = bits(high[g / 4], 8 * (g % 4) + 4 * half + l, 1);
                look_up(&codebook::IQ3_S, index(low, l, top))
            };
            let codes = join_fours([four(0), four(1), four(2), four(3)]);
            lanes.set_quants(2 * g + half, signed(&IQ3_S_VALUES, codes, signs, 2 * half));
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn iq1_s(rows: Rows<50>, mut lanes: Lanes<64, 8>) {
    let d = rows.f16(0);
    for g in 0..8 {
        let (low, last) = (rows.words(2 + 4 * g), rows.words(34 + 4 * (g / 2)));
        let first = 16 * (g % 2);
        let scale = affine(d, bits(last, first + 12, 7), [2.0, 1.0]);
        lanes.set_scales(g, scale);
        lanes.set_mins(g, affine(scale, bits(last, first + 15, 1), [0.25, 0.875]));
        for half in 0..2 {
            let [a, b] = [2 * half, 2 * half + 1].map(|l| {
                let top = bits(last, first + 3 * l, 7);
                nibbles(look_up(&codebook::IQ1, index(low, l, top)))
            });
            lanes.set_quants(2 * g + half, [a[0], a[1], b[0], b[1]]);
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn iq1_m(rows: Rows<56>, mut lanes: Lanes<64, 16>) {
    let last = [rows.words(48), rows.words(52)];
    let first = vorrq_u32(bits(last[0], 12, 0xf), bits(last[0], 24, 0xf0));
    let second = vorrq_u32(bits(last[1], 4, 0xf00), bits(last[1], 16, 0xf000));
    let [d, _] = f16_pairs(vorrq_u32(first, second));
    let eighth = vmulq_n_f32(d, 0.125);
    for g in 0..16 {
        let s = bits(last[g / 8], 16 * (g / 4 % 2) + 3 * (g % 4), 7);
        lanes.set_scales(g, affine(eighth, s, [2.0, 1.0]));
        let (low, high) = (rows.words(4 * (g / 2)), rows.words(32 + 4 * (g / 4)));
        let high = byte(high, g % 4);
        let codes = [0, 1].map(|l| {
            let top = bits(high, 4 * l, 7);
            look_up(&codebook::IQ1, index(low, 2 * (g % 2) + l, top))
        });
        // Bit 3 in all bits of the first byte, bit 7 in those of the second.
        let is_less = vorrq_u32(bits(high, 3, 1), vshlq_n_u32::<8>(bits(high, 7, 1)));
        let signs = vmulq_n_u32(is_less, 255);
        lanes.set_quants(g, signed(&IQ1_M_VALUES, codes, signs, 0));
    }
}

/// `s` of 16 groups, four bits each, of the scales `d (s / 4 + 1/8)`.
#[inline]
#[target_feature(enable = "neon")]
fn set_nibble_scales(d: float32x4_t, words: [uint32x4_t; 2], lanes: &mut Lanes<64, 16>) {
    for g in 0..16 {
        lanes.set_scales(g, affine(d, bits(words[g / 8], 4 * (g % 8), 15), [0.25, 0.125]));
    }
}

/// `d (a s + b)`, where nothing is rounded but the last product.
#[inline]
#[target_feature(enable = "neon")]
fn affine(d: float32x4_t, s: uint32x4_t, [a, b]: [f32; 2]) -> float32x4_t {
    vmulq_f32(d, vfmaq_n_f32(vdupq_n_f32(b), vcvtq_f32_u32(s), a))
}

/// Each word from bit `first` on, as far as `mask` goes.
#[inline]
#[target_feature(enable = "neon")]
fn bits(words: uint32x4_t, first: usize, mask: u32) -> uint32x4_t {
    vandq_u32(vshlq_u32(words, vdupq_n_s32(-(first as i32))), vdupq_n_u32(mask))
}

/// Byte `i` of each word.
#[inline]
#[target_feature(enable = "neon")]
fn byte(words: uint32x4_t, i: usize) -> uint32x4_t {
    bits(words, 8 * i, 255)
}

/// Byte `i` of `low` with the bits of `top` above it.
#[inline]
#[target_feature(enable = "neon")]
fn index(low: uint32x4_t, i: usize, top: uint32x4_t) -> uint32x4_t {
    vorrq_u32(byte(low, i), vshlq_n_u32::<8>(top))
}

/// Entries of `table`; indices are less than `N`.
#[inline]
#[target_feature(enable = "neon")]
fn look_up<const N: usize>(table: &[u32; N], indices: uint32x4_t) -> uint32x4_t {
    const { assert!(N.is_power_of_two()) };
    load_u32(&store_u32(indices).map(|idx| table[idx as usize % N]))
}

/// Four times seven bits, to a byte each.
#[inline]
#[target_feature(enable = "neon")]
fn spread_sevens(sevens: uint32x4_t) -> uint32x4_t {
    let low = vandq_u32(sevens, vdupq_n_u32(0x7f));
    let second = vandq_u32(vshlq_n_u32::<1>(sevens), vdupq_n_u32(0x7f00));
    let third = vandq_u32(vshlq_n_u32::<2>(sevens), vdupq_n_u32(0x7f_0000));
    let fourth = vandq_u32(vshlq_n_u32::<3>(sevens), vdupq_n_u32(0x7f00_0000));
    vorrq_u32(vorrq_u32(low, second), vorrq_u32(third, fourth))
}

/// See `codebook::even_signs`; of every byte.
#[inline]
#[target_feature(enable = "neon")]
fn even_signs(sevens: uint32x4_t) -> uint32x4_t {
    let bytes = vreinterpretq_u8_u32(sevens);
    let halves = vandq_u8(veorq_u8(bytes, vshrq_n_u8::<4>(bytes)), vdupq_n_u8(15));
    let odd = vqtbl1q_u8(load_u8(&codebook::ODD_NIBBLES), halves);
    vreinterpretq_u32_u8(vorrq_u8(bytes, odd))
}

/// Points of four columns, two by two.
#[inline]
#[target_feature(enable = "neon")]
fn join_fours([a, b, c, d]: [uint32x4_t; 4]) -> [uint32x4_t; 2] {
    [vorrq_u32(a, vshlq_n_u32::<4>(b)), vorrq_u32(c, vshlq_n_u32::<4>(d))]
}

/// The low nibbles of all bytes, and the high ones.
#[inline]
#[target_feature(enable = "neon")]
fn nibbles(words: uint32x4_t) -> [uint8x16_t; 2] {
    let bytes = vreinterpretq_u8_u32(words);
    [vandq_u8(bytes, vdupq_n_u8(15)), vshrq_n_u8::<4>(bytes)]
}

/// The sixteen columns of two points, whose signs are bytes `first` and `first + 1` of `signs`.
#[inline]
#[target_feature(enable = "neon")]
fn signed(
    values: &[i8; 16],
    codes: [uint32x4_t; 2],
    signs: uint32x4_t,
    first: usize,
) -> [uint8x16_t; 4] {
    let values = vreinterpretq_u8_s8(load_i8(values));
    let quants = [0, 1].map(|i| {
        // Bits `j` and `4 + j` to bits 3 and 7 of byte `j`.
        let signs = byte(signs, first + i);
        let two = vorrq_u32(signs, vshlq_n_u32::<7>(signs));
        let four = vshlq_n_u32::<3>(vorrq_u32(two, vshlq_n_u32::<14>(two)));
        let signs = vandq_u32(four, vdupq_n_u32(0x8888_8888));
        nibbles(vorrq_u32(codes[i], signs)).map(|codes| vqtbl1q_u8(values, codes))
    });
    [quants[0][0], quants[0][1], quants[1][0], quants[1][1]]
}
