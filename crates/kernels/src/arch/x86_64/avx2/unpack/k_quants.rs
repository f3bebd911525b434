//! Formats of 256 values a block; the layouts are those of `block/`.

use std::arch::x86_64::*;

use super::lanes::{Lanes, Rows, f16_pairs};
use super::small_blocks::set_iq4_values;

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q2_k(rows: Rows<84>, lanes: Lanes<256, 16>) {
    let (d, dmin) = f16_pairs(rows.words(80));
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
    for part in 0..4 {
        for (k, pairs) in rows.words4(16 + 16 * part).into_iter().enumerate() {
            for (j, quants) in bit_pairs(pairs).into_iter().enumerate() {
                lanes.set_quants(part / 2 * 32 + 8 * j + part % 2 * 4 + k, quants);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q3_k(rows: Rows<110>, lanes: Lanes<256, 16>) {
    let d = rows.f16(108);
    let [low, high, top] = [rows.words(96), rows.words(100), rows.words(104)];
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
    let four = _mm256_set1_epi8(4);
    for part in 0..2 {
        let mut bits = rows.words4(16 * part);
        for n in 0..2 {
            for (k, pairs) in rows.words4(32 + 32 * n + 16 * part).into_iter().enumerate() {
                for (j, pair) in bit_pairs(pairs).into_iter().enumerate() {
                    // Bit 4 n + j, moved to bit 2.
                    let bit = _mm256_and_si256(_mm256_slli_epi16::<2>(bits[k]), four);
                    bits[k] = _mm256_srli_epi16::<1>(bits[k]);
                    let step = 32 * n + 8 * j + 4 * part + k;
                    lanes.set_quants(step, _mm256_or_si256(pair, bit));
                }
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q4_k(rows: Rows<144>, lanes: Lanes<256, 32>) {
    set_k_scales(rows, lanes);
    let nibble = _mm256_set1_epi8(15);
    for part in 0..8 {
        for (k, words) in rows.words4(16 + 16 * part).into_iter().enumerate() {
            let step = part / 2 * 16 + part % 2 * 4 + k;
            let high = _mm256_srli_epi16::<4>(words);
            lanes.set_quants(step, _mm256_and_si256(words, nibble));
            lanes.set_quants(step + 8, _mm256_and_si256(high, nibble));
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q5_k(rows: Rows<176>, lanes: Lanes<256, 32>) {
    set_k_scales(rows, lanes);
    let (nibble, fifth) = (_mm256_set1_epi8(15), _mm256_set1_epi8(16));
    for part in 0..2 {
        let mut bits = rows.words4(16 + 16 * part);
        for pair in 0..4 {
            for (k, words) in rows.words4(48 + 32 * pair + 16 * part).into_iter().enumerate() {
                let step = 16 * pair + 4 * part + k;
                let low = _mm256_and_si256(words, nibble);
                let high = _mm256_and_si256(_mm256_srli_epi16::<4>(words), nibble);
                // Bits 2 pair and 2 pair + 1 are now bits 0 and 1.
                let low_bit = _mm256_and_si256(_mm256_slli_epi16::<4>(bits[k]), fifth);
                let high_bit = _mm256_and_si256(_mm256_slli_epi16::<3>(bits[k]), fifth);
                bits[k] = _mm256_srli_epi16::<2>(bits[k]);
                lanes.set_quants(step, _mm256_or_si256(low, low_bit));
                lanes.set_quants(step + 8, _mm256_or_si256(high, high_bit));
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q6_k(rows: Rows<210>, lanes: Lanes<256, 16>) {
    let d = rows.f16(208);
    for (i, codes) in rows.words4(192).into_iter().enumerate() {
        for (j, s) in signed_bytes(codes).into_iter().enumerate() {
            let scale = _mm256_mul_ps(d, s);
            lanes.set_scales(4 * i + j, scale);
            lanes.set_mins(4 * i + j, _mm256_mul_ps(scale, _mm256_set1_ps(32.0)));
        }
    }
    let (nibble, top) = (_mm256_set1_epi8(15), _mm256_set1_epi8(0x30));
    for n in 0..2 {
        for part in 0..2 {
            let even = rows.words4(64 * n + 16 * part);
            let odd = rows.words4(64 * n + 32 + 16 * part);
            let bits = rows.words4(128 + 32 * n + 16 * part);
            for k in 0..4 {
                let step = 32 * n + 4 * part + k;
                let join = |low, bits| {
                    let (low, bits) = (_mm256_and_si256(low, nibble), _mm256_and_si256(bits, top));
                    _mm256_or_si256(low, bits)
                };
                let (even, odd, bits) = (even[k], odd[k], bits[k]);
                lanes.set_quants(step, join(even, _mm256_slli_epi16::<4>(bits)));
                lanes.set_quants(step + 8, join(odd, _mm256_slli_epi16::<2>(bits)));
                lanes.set_quants(step + 16, join(_mm256_srli_epi16::<4>(even), bits));
                let bits = _mm256_srli_epi16::<2>(bits);
                lanes.set_quants(step + 24, join(_mm256_srli_epi16::<4>(odd), bits));
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q8_k(rows: Rows<292>, lanes: Lanes<256, 32>) {
    let d = _mm256_castsi256_ps(rows.words(0));
    for g in 0..8 {
        lanes.set_scales(g, d);
    }
    for part in 0..16 {
        for (k, quants) in rows.words4(4 + 16 * part).into_iter().enumerate() {
            lanes.set_quants(4 * part + k, quants);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn iq4_xs(rows: Rows<136>, lanes: Lanes<256, 32>) {
    let (d, _) = f16_pairs(rows.words(0));
    let (mut high, mut low) = (_mm256_srli_epi32::<16>(rows.words(0)), rows.words(4));
    for g in 0..8 {
        let low_bits = _mm256_and_si256(low, _mm256_set1_epi32(15));
        let high_bits = _mm256_and_si256(_mm256_slli_epi32::<4>(high), _mm256_set1_epi32(0x30));
        (high, low) = (_mm256_srli_epi32::<2>(high), _mm256_srli_epi32::<4>(low));
        let code = _mm256_or_si256(low_bits, high_bits);
        let code = _mm256_sub_epi32(code, _mm256_set1_epi32(32));
        lanes.set_scales(g, _mm256_mul_ps(d, _mm256_cvtepi32_ps(code)));
        set_iq4_values(rows, 8 + 16 * g, lanes, 8 * g);
    }
}

/// The 16 bytes that Q4_K and Q5_K start with: `d`, `dmin` and three words of codes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn set_k_scales<const BYTES: usize>(rows: Rows<BYTES>, lanes: Lanes<256, 32>) {
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
