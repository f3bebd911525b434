//! Formats of 32 values a block; the layouts are those of `block/`.

use std::arch::x86_64::*;

use super::lanes::{Lanes, Rows, f16_pairs};
use crate::arch::x86_64::int_panel::SIGNED;
use crate::block::iq4_nl;

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q4_0(rows: &mut Rows<18>, lanes: &mut impl Lanes<32, 32, 15>) {
    let d = rows.f16(0);
    lanes.set_scales(0, d);
    lanes.set_mins(0, _mm256_mul_ps(d, _mm256_set1_ps(8.0)));
    let (low, high) = nibbles(rows, 2);
    lanes.set_quants(0, low);
    lanes.set_quants(1, high);
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q4_1(rows: &mut Rows<20>, lanes: &mut impl Lanes<32, 32, 15>) {
    set_scale_and_min(rows.f16_pair(0), lanes);
    let (low, high) = nibbles(rows, 4);
    lanes.set_quants(0, low);
    lanes.set_quants(1, high);
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q5_0(rows: &mut Rows<22>, lanes: &mut impl Lanes<32, 32, 31>) {
    let [first, second] = rows.words2(0, 6);
    let (d, _) = f16_pairs(first);
    lanes.set_scales(0, d);
    lanes.set_mins(0, _mm256_mul_ps(d, _mm256_set1_ps(16.0)));
    let bits = _mm256_or_si256(_mm256_srli_epi32::<16>(first), _mm256_slli_epi32::<16>(second));
    set_five_bits(rows, bits, 6, lanes);
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q5_1(rows: &mut Rows<24>, lanes: &mut impl Lanes<32, 32, 31>) {
    let [first, bits] = rows.words2(0, 8);
    set_scale_and_min(f16_pairs(first), lanes);
    set_five_bits(rows, bits, 8, lanes);
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q8_0(rows: &mut Rows<34>, lanes: &mut impl Lanes<32, 32, SIGNED>) {
    lanes.set_scales(0, rows.f16(0));
    for part in 0..2 {
        lanes.set_quants(part, rows.words4(2 + 16 * part));
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn iq4_nl(rows: &mut Rows<18>, lanes: &mut impl Lanes<32, 32, SIGNED>) {
    lanes.set_scales(0, rows.f16(0));
    set_iq4_values(rows, 2, lanes, 0);
}

/// 32 columns from `16 * part` on, whose indices are at byte `at`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn set_iq4_values<const BYTES: usize, const LEN: usize>(
    rows: &mut Rows<BYTES>,
    at: usize,
    lanes: &mut impl Lanes<LEN, 32, SIGNED>,
    part: usize,
) {
    // SAFETY: the table has 16 bytes; the load needs no alignment.
    let values = unsafe { _mm_loadu_si128(iq4_nl::VALUES.as_ptr().cast()) };
    let values = _mm256_broadcastsi128_si256(values);
    let (low, high) = nibbles(rows, at);
    lanes.set_quants(part, low.map(|q| _mm256_shuffle_epi8(values, q)));
    lanes.set_quants(part + 1, high.map(|q| _mm256_shuffle_epi8(values, q)));
}

/// `d` and `m` of Q4_1 and Q5_1, where `w = d q + m`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn set_scale_and_min<const Q_MAX: i32>(
    (d, m): (__m256, __m256),
    lanes: &mut impl Lanes<32, 32, Q_MAX>,
) {
    lanes.set_scales(0, d);
    lanes.set_mins(0, _mm256_xor_ps(m, _mm256_set1_ps(-0.0)));
}

/// The high bits, one word a row, and the nibbles at byte `at`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn set_five_bits<const BYTES: usize>(
    rows: &mut Rows<BYTES>,
    bits: __m256i,
    at: usize,
    lanes: &mut impl Lanes<32, 32, 31>,
) {
    let (mut low, mut high) = nibbles(rows, at);
    for k in 0..4 {
        low[k] = _mm256_or_si256(low[k], fifth_bits(bits, k));
        high[k] = _mm256_or_si256(high[k], fifth_bits(bits, k + 4));
    }
    lanes.set_quants(0, low);
    lanes.set_quants(1, high);
}

/// Bits `4 k..4 k + 4` of each word, as 16 or 0 in the word's four bytes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn fifth_bits(bits: __m256i, k: usize) -> __m256i {
    // The four bits as the high half of a byte, four times: any of 16, 32, 64 and 128 is at
    // least 16.
    let bits = if k.is_multiple_of(2) { _mm256_slli_epi32::<4>(bits) } else { bits };
    let words = _mm256_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12);
    let bytes = _mm256_add_epi32(words, _mm256_set1_epi32(k as i32 / 2));
    let spread = _mm256_mullo_epi32(bytes, _mm256_set1_epi32(0x0101_0101));
    let select = _mm256_set1_epi32(0x8040_2010_u32 as i32);
    let bits = _mm256_and_si256(_mm256_shuffle_epi8(bits, spread), select);
    _mm256_min_epu8(bits, _mm256_set1_epi8(16))
}

/// The low and the high nibbles of bytes `at..at + 16`, four words each.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn nibbles<const BYTES: usize>(
    rows: &mut Rows<BYTES>,
    at: usize,
) -> ([__m256i; 4], [__m256i; 4]) {
    let mask = _mm256_set1_epi8(15);
    let words = rows.words4(at);
    (
        words.map(|w| _mm256_and_si256(w, mask)),
        words.map(|w| _mm256_and_si256(_mm256_srli_epi16::<4>(w), mask)),
    )
}
