//! Formats of 256 values a block; the layouts are those of `block/`.

use std::arch::x86_64::*;

use super::lanes::{Lanes, Rows, f16_pairs};
use super::small_blocks::{nibbles, set_iq4_values};
use crate::arch::x86_64::int_panel::SIGNED;

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q2_k(rows: &mut Rows<84>, lanes: &mut impl Lanes<256, 16, 15>) {
    let (d, dmin) = f16_pairs(rows.last_word());
    let nibble = _mm256_set1_epi8(15);
    for (i, codes) in rows.words4(0).into_iter().enumerate() {
        let scales = _mm256_and_si256(codes, nibble);
        let mins = _mm256_and_si256(_mm256_srli_epi16::<4>(codes), nibble);
        for (j, (s, m)) in unsigned_bytes(scales).into_iter().zip(unsigned_bytes(mins)).enumerate()
        {
            lanes.set_scales(4 * i + j, _mm256_mul_ps(d, s));
            lanes.set_mins(4 * i + j, _mm256_mul_ps(dmin, m));
        }
    }
    let three = _mm256_set1_epi8(3);
    for part in 0..4 {
        let mut pairs = rows.words4(16 + 16 * part);
        for j in 0..4 {
            let first = part / 2 * 8 + part % 2;
            lanes.set_quants(first + 2 * j, pairs.map(|pairs| _mm256_and_si256(pairs, three)));
            pairs = pairs.map(|pairs| _mm256_srli_epi16::<2>(pairs));
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q3_k(rows: &mut Rows<110>, lanes: &mut impl Lanes<256, 16, 15>) {
    let (_, d) = f16_pairs(rows.last_word());
    let [_, low, high, top] = rows.words4(92);
    let nibble = _mm256_set1_epi8(15);
    let upper = |codes| _mm256_and_si256(_mm256_srli_epi16::<4>(codes), nibble);
    let lower = |codes| _mm256_and_si256(codes, nibble);
    let codes = [lower(low), lower(high), upper(low), upper(high)];
    for (i, (code, top)) in codes.into_iter().zip(bit_pairs(top)).enumerate() {
        let code = _mm256_or_si256(code, _mm256_slli_epi16::<4>(top));
        let scales = signed_bytes(_mm256_sub_epi8(code, _mm256_set1_epi8(32)));
        for (j, s) in scales.into_iter().enumerate() {
            let scale = _mm256_mul_ps(d, s);
            lanes.set_scales(4 * i + j, scale);
            lanes.set_mins(4 * i + j, _mm256_mul_ps(scale, _mm256_set1_ps(4.0)));
        }
    }
    let (three, four) = (_mm256_set1_epi8(3), _mm256_set1_epi8(4));
    for part in 0..2 {
        let mut bits = rows.words4(16 * part);
        for n in 0..2 {
            let mut pairs = rows.words4(32 + 32 * n + 16 * part);
            for j in 0..4 {
                let mut quants = pairs.map(|pairs| _mm256_and_si256(pairs, three));
                for k in 0..4 {
                    // Bit 4 n + j, moved to bit 2.
                    let bit = _mm256_and_si256(_mm256_slli_epi16::<2>(bits[k]), four);
                    quants[k] = _mm256_or_si256(quants[k], bit);
                    bits[k] = _mm256_srli_epi16::<1>(bits[k]);
                    pairs[k] = _mm256_srli_epi16::<2>(pairs[k]);
                }
                lanes.set_quants(8 * n + 2 * j + part, quants);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q4_k(rows: &mut Rows<144>, lanes: &mut impl Lanes<256, 32, 15>) {
    set_k_scales(rows, lanes);
    for i in 0..8 {
        let (low, high) = nibbles(rows, 16 + 16 * i);
        let part = i / 2 * 4 + i % 2;
        lanes.set_quants(part, low);
        lanes.set_quants(part + 2, high);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q5_k(rows: &mut Rows<176>, lanes: &mut impl Lanes<256, 32, 31>) {
    set_k_scales(rows, lanes);
    let fifth = _mm256_set1_epi8(16);
    for part in 0..2 {
        let mut bits = rows.words4(16 + 16 * part);
        for pair in 0..4 {
            let (mut low, mut high) = nibbles(rows, 48 + 32 * pair + 16 * part);
            for k in 0..4 {
                // Bits 2 pair and 2 pair + 1 are now bits 0 and 1.
                let low_bit = _mm256_and_si256(_mm256_slli_epi16::<4>(bits[k]), fifth);
                let high_bit = _mm256_and_si256(_mm256_slli_epi16::<3>(bits[k]), fifth);
                bits[k] = _mm256_srli_epi16::<2>(bits[k]);
                low[k] = _mm256_or_si256(low[k], low_bit);
                high[k] = _mm256_or_si256(high[k], high_bit);
            }
            lanes.set_quants(4 * pair + part, low);
            lanes.set_quants(4 * pair + part + 2, high);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q6_k(rows: &mut Rows<210>, lanes: &mut impl Lanes<256, 16, 63>) {
    let (_, d) = f16_pairs(rows.last_word());
    for (i, codes) in rows.words4(192).into_iter().enumerate() {
        for (j, s) in signed_bytes(codes).into_iter().enumerate() {
            let scale = _mm256_mul_ps(d, s);
            lanes.set_scales(4 * i + j, scale);
            lanes.set_mins(4 * i + j, _mm256_mul_ps(scale, _mm256_set1_ps(32.0)));
        }
    }
    let top = _mm256_set1_epi8(0x30);
    for n in 0..2 {
        for part in 0..2 {
            let (even, even_high) = nibbles(rows, 64 * n + 16 * part);
            let (odd, odd_high) = nibbles(rows, 64 * n + 32 + 16 * part);
            let mut bits = rows.words4(128 + 32 * n + 16 * part);
            for (r, mut quants) in [even, odd, even_high, odd_high].into_iter().enumerate() {
                for k in 0..4 {
                    // Bits 2 r and 2 r + 1 are now bits 0 and 1.
                    let top_bits = _mm256_and_si256(_mm256_slli_epi16::<4>(bits[k]), top);
                    bits[k] = _mm256_srli_epi16::<2>(bits[k]);
                    quants[k] = _mm256_or_si256(quants[k], top_bits);
                }
                lanes.set_quants(8 * n + 2 * r + part, quants);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q8_k(rows: &mut Rows<292>, lanes: &mut impl Lanes<256, 32, SIGNED>) {
    let d = _mm256_castsi256_ps(rows.words(0));
    for g in 0..8 {
        lanes.set_scales(g, d);
    }
    for part in 0..16 {
        lanes.set_quants(part, rows.words4(4 + 16 * part));
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn iq4_xs(rows: &mut Rows<136>, lanes: &mut impl Lanes<256, 32, SIGNED>) {
    let [first, mut low] = rows.words2(0, 8);
    let (d, _) = f16_pairs(first);
    let mut high = _mm256_srli_epi32::<16>(first);
    for g in 0..8 {
        let low_bits = _mm256_and_si256(low, _mm256_set1_epi32(15));
        let high_bits = _mm256_and_si256(_mm256_slli_epi32::<4>(high), _mm256_set1_epi32(0x30));
        (high, low) = (_mm256_srli_epi32::<2>(high), _mm256_srli_epi32::<4>(low));
        let code = _mm256_or_si256(low_bits, high_bits);
        let code = _mm256_sub_epi32(code, _mm256_set1_epi32(32));
        lanes.set_scales(g, _mm256_mul_ps(d, _mm256_cvtepi32_ps(code)));
        set_iq4_values(rows, 8 + 16 * g, lanes, 2 * g);
    }
}

/// The 16 bytes that Q4_K and Q5_K start with: `d`, `dmin` and three words of codes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn set_k_scales<const BYTES: usize, const Q_MAX: i32>(
    rows: &mut Rows<BYTES>,
    lanes: &mut impl Lanes<256, 32, Q_MAX>,
) {
    let [d, a, b, c] = rows.words4(0);
    let (d, dmin) = f16_pairs(d);
    let (six, nibble, top) = (_mm256_set1_epi8(63), _mm256_set1_epi8(15), _mm256_set1_epi8(0x30));
    let join = |low, bits| {
        let bits = _mm256_and_si256(_mm256_srli_epi16::<2>(bits), top);
        _mm256_or_si256(_mm256_and_si256(low, nibble), bits)
    };
    let scales = [_mm256_and_si256(a, six), join(c, a)];
    let mins = [_mm256_and_si256(b, six), join(_mm256_srli_epi16::<4>(c), b)];
    for i in 0..2 {
        let codes = unsigned_bytes(scales[i]).into_iter().zip(unsigned_bytes(mins[i]));
        for (j, (s, m)) in codes.enumerate() {
            lanes.set_scales(4 * i + j, _mm256_mul_ps(d, s));
            lanes.set_mins(4 * i + j, _mm256_mul_ps(dmin, m));
        }
    }
}

/// Bits `2 j..2 j + 2` of every byte, for `j < 4`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn bit_pairs(v: __m256i) -> [__m256i; 4] {
    let shifted =
        [v, _mm256_srli_epi16::<2>(v), _mm256_srli_epi16::<4>(v), _mm256_srli_epi16::<6>(v)];
    shifted.map(|v| _mm256_and_si256(v, _mm256_set1_epi8(3)))
}

/// Byte `j` of every word as f32, for `j < 4`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn unsigned_bytes(v: __m256i) -> [__m256; 4] {
    let low = |v| _mm256_and_si256(v, _mm256_set1_epi32(255));
    let bytes = [
        low(v),
        low(_mm256_srli_epi32::<8>(v)),
        low(_mm256_srli_epi32::<16>(v)),
        _mm256_srli_epi32::<24>(v),
    ];
    bytes.map(|v| _mm256_cvtepi32_ps(v))
}

/// Byte `j` of every word, two's complement, as f32, for `j < 4`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn signed_bytes(v: __m256i) -> [__m256; 4] {
    let tops =
        [_mm256_slli_epi32::<24>(v), _mm256_slli_epi32::<16>(v), _mm256_slli_epi32::<8>(v), v];
    tops.map(|v| _mm256_cvtepi32_ps(_mm256_srai_epi32::<24>(v)))
}
