//! Activations to int8, a group of 32 in four registers.

use std::arch::x86_64::*;

use crate::scalar::quantize::{Group, pack_rows, scale_and_inverse};
use crate::{ACT_GROUP, QuantizedTile};

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn quantize(x: &[f32], n_in: usize, out: &mut QuantizedTile) {
    pack_rows(x, n_in, out, |x| quantize_group(x));
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn quantize_group(x: &[f32; ACT_GROUP]) -> Group {
    // SAFETY: `x` holds four times eight values; loads need no alignment.
    let x = [0, 8, 16, 24].map(|i| unsafe { _mm256_loadu_ps(x.as_ptr().add(i)) });
    let Some((scale, inverse)) = scale_and_inverse(max_magnitude(x)) else {
        return Group::NOT_FINITE;
    };
    let inverse = _mm256_set1_ps(inverse);
    // Rounds to nearest even.
    let q = x.map(|x| _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse)));
    let low = _mm256_packs_epi32(q[0], q[1]);
    let high = _mm256_packs_epi32(q[2], q[3]);
    // Packs work in 128-bit halves: put words of four columns back in order.
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    let q = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);

    let pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), q);
    let quads = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    let sums = _mm256_hadd_epi32(quads, quads);
    let sums = _mm256_hadd_epi32(sums, sums);
    let sums = [_mm256_extract_epi32::<0>(sums), _mm256_extract_epi32::<4>(sums)];
    let mut quants = [0; ACT_GROUP];
    // SAFETY: `quants` has 32 bytes; the store needs no alignment.
    unsafe { _mm256_storeu_si256(quants.as_mut_ptr().cast(), q) };
    Group { scale, quants, sums }
}

/// Magnitudes order like their bits, with infinity and then NaN on top.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn max_magnitude(x: [__m256; 4]) -> f32 {
    let magnitude = _mm256_set1_epi32(0x7fff_ffff);
    let bits = x.map(|x| _mm256_and_si256(_mm256_castps_si256(x), magnitude));
    let pairs = [_mm256_max_epi32(bits[0], bits[1]), _mm256_max_epi32(bits[2], bits[3])];
    let max = _mm256_max_epi32(pairs[0], pairs[1]);
    let max = _mm_max_epi32(_mm256_castsi256_si128(max), _mm256_extracti128_si256::<1>(max));
    let max = _mm_max_epi32(max, _mm_shuffle_epi32::<0b01_00_11_10>(max));
    let max = _mm_max_epi32(max, _mm_shuffle_epi32::<0b10_11_00_01>(max));
    f32::from_bits(_mm_cvtsi128_si32(max) as u32)
}
