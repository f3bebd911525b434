//! Activations to int8, a group of 32 columns of four tokens at a time: a tile stores them side by
//! side, and side by side in registers nothing is reduced for one token alone.

use std::arch::x86_64::*;

use crate::arch::x86_64::avx2;
use crate::scalar::quantize::{MIN_INVERTED, Q_MAX};
use crate::{ACT_GROUP, QuantizedTile, TILE_TOKENS};

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn quantize(x: &[f32], n_in: usize, out: &mut QuantizedTile) {
    if x.len() != TILE_TOKENS * n_in || !fill_tile(x, n_in, out) {
        (avx2::KERNELS.quantize)(x, n_in, out);
    }
}

/// Fills a whole tile; `false`, and only a part of it filled, where a value is not finite.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn fill_tile(x: &[f32], n_in: usize, out: &mut QuantizedTile) -> bool {
    out.start(x, n_in);
    let quants = out.quants.as_chunks_mut::<{ TILE_TOKENS * ACT_GROUP }>().0;
    let scales = out.scales.as_chunks_mut::<TILE_TOKENS>().0;
    let sums32 = out.sums32.as_chunks_mut::<TILE_TOKENS>().0;
    let sums16 = out.sums16.as_chunks_mut::<{ 2 * TILE_TOKENS }>().0;
    let outs = quants.iter_mut().zip(scales).zip(sums32).zip(sums16);
    for (g, (((quants, scales), sums32), sums16)) in (0..n_in / ACT_GROUP).zip(outs) {
        let x: [_; TILE_TOKENS] = std::array::from_fn(|token| {
            let x = &x[token * n_in + g * ACT_GROUP..][..ACT_GROUP];
            // SAFETY: `x` holds twice 16 values; loads need no alignment.
            [0, 16].map(|i| unsafe { _mm512_loadu_ps(x.as_ptr().add(i)) })
        });
        let max = max_magnitudes(x);
        if _mm_cmpge_epi32_mask(max, _mm_set1_epi32(f32::INFINITY.to_bits() as i32)) != 0 {
            return false;
        }
        let (max, q_max) = (_mm_castsi128_ps(max), _mm_set1_ps(Q_MAX));
        let scale = _mm_div_ps(max, q_max);
        let has_inverse = _mm_cmp_ps_mask::<_CMP_GE_OQ>(max, _mm_set1_ps(MIN_INVERTED));
        let [first, last] = round(x, _mm_maskz_div_ps(has_inverse, q_max, max));
        let sums = [token_sums(first), token_sums(last)];
        let scaled = |sums: __m128i| _mm_mul_ps(scale, _mm_cvtepi32_ps(sums));
        // SAFETY: the arrays have the sizes of what is stored; stores need no alignment.
        unsafe {
            _mm512_storeu_si512(quants.as_mut_ptr().cast(), first);
            _mm512_storeu_si512(quants.as_mut_ptr().add(64).cast(), last);
            _mm_storeu_ps(scales.as_mut_ptr(), scale);
            _mm_storeu_ps(sums32.as_mut_ptr(), scaled(_mm_add_epi32(sums[0], sums[1])));
            _mm_storeu_ps(sums16.as_mut_ptr(), scaled(sums[0]));
            _mm_storeu_ps(sums16.as_mut_ptr().add(TILE_TOKENS), scaled(sums[1]));
        }
    }
    true
}

/// The bits of the greatest magnitude of each token. Magnitudes order like their bits, with
/// infinity and then NaN on top.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn max_magnitudes(x: [[__m512; 2]; TILE_TOKENS]) -> __m128i {
    let magnitude = _mm512_set1_epi32(0x7fff_ffff);
    let m = x.map(|[low, high]| {
        let low = _mm512_and_si512(_mm512_castps_si512(low), magnitude);
        let high = _mm512_and_si512(_mm512_castps_si512(high), magnitude);
        _mm512_max_epi32(low, high)
    });
    // In every 128 bits: tokens 0, 1, 0, 1 and 2, 3, 2, 3; then 0, 1, 2, 3.
    let pair = |a, b| _mm512_max_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let (a, b) = (pair(m[0], m[1]), pair(m[2], m[3]));
    let max = _mm512_max_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    let max = _mm256_max_epi32(_mm512_castsi512_si256(max), _mm512_extracti64x4_epi64::<1>(max));
    _mm_max_epi32(_mm256_castsi256_si128(max), _mm256_extracti128_si256::<1>(max))
}

/// Quants of the first and of the last 16 columns: `[4, TILE_TOKENS, 4]` each.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn round(x: [[__m512; 2]; TILE_TOKENS], inverse: __m128) -> [__m512i; 2] {
    let inverse = _mm512_broadcast_f32x4(inverse);
    let inverses = [
        _mm512_permute_ps::<0b00_00_00_00>(inverse),
        _mm512_permute_ps::<0b01_01_01_01>(inverse),
        _mm512_permute_ps::<0b10_10_10_10>(inverse),
        _mm512_permute_ps::<0b11_11_11_11>(inverse),
    ];
    // Rounds to nearest even. Packs work in 128 bits: four columns of the first 16, then four of
    // the last.
    let words: [_; TILE_TOKENS] = std::array::from_fn(|token| {
        let q = x[token].map(|x| _mm512_cvtps_epi32(_mm512_mul_ps(x, inverses[token])));
        _mm512_packs_epi32(q[0], q[1])
    });
    let a = _mm512_castsi512_ps(_mm512_packs_epi16(words[0], words[1]));
    let b = _mm512_castsi512_ps(_mm512_packs_epi16(words[2], words[3]));
    [
        _mm512_castps_si512(_mm512_shuffle_ps::<0b10_00_10_00>(a, b)),
        _mm512_castps_si512(_mm512_shuffle_ps::<0b11_01_11_01>(a, b)),
    ]
}

/// Sums over the 16 columns of `[4, TILE_TOKENS, 4]` quants.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn token_sums(q: __m512i) -> __m128i {
    let pairs = _mm512_maddubs_epi16(_mm512_set1_epi8(1), q);
    let quads = _mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
    let sums =
        _mm256_add_epi32(_mm512_castsi512_si256(quads), _mm512_extracti64x4_epi64::<1>(quads));
    _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums))
}
