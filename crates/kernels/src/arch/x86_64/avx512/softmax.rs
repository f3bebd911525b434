//! A step of online softmax over one block of keys, four registers of it side by side. The bits are
//! those of the scalar form: the same operations in the same order, and sums fold in halves.

use std::arch::x86_64::*;
use std::f32::consts::LOG2_E;

use crate::scalar::attention;
use crate::scalar::exp::{LN_2_HIGH, LN_2_LOW, ROUND, X_MIN, exp};
use crate::{KEY_BLOCK, Moments};

/// Keys of a register.
const N: usize = 16;
const N_REGISTERS: usize = KEY_BLOCK / N;
type Block = [__m512; N_REGISTERS];

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn online_softmax(scores: &mut [f32], max: f32) -> (f32, f32, f32) {
    let Ok(block) = <&mut [f32; KEY_BLOCK]>::try_from(&mut *scores) else {
        return attention::online_softmax(scores, max);
    };
    let (max, factor, Weighed { weights, .. }) = weigh(block, max);
    (max, factor, sum(add(weights)))
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn online_softmax_moments(scores: &mut [f32], max: f32) -> (f32, f32, Moments) {
    let Ok(block) = <&mut [f32; KEY_BLOCK]>::try_from(&mut *scores) else {
        return attention::online_softmax_moments(scores, max);
    };
    let (max, factor, Weighed { distances, is_seen, weights }) = weigh(block, max);
    let (mut centred, mut places) = (_mm512_setzero_ps(), _mm512_setzero_ps());
    for i in 0..N_REGISTERS {
        centred = _mm512_mask3_fmadd_ps(weights[i], distances[i], centred, is_seen[i]);
        if i > 0 {
            places = _mm512_fmadd_ps(weights[i], _mm512_set1_ps((i * N) as f32), places);
        }
    }
    let sums = add(weights);
    places = _mm512_fmadd_ps(sums, _mm512_cvtepi32_ps(lanes()), places);
    let [sum, centred, places] = sum_three(sums, centred, places);
    (max, factor, Moments { sum, centred, places })
}

struct Weighed {
    /// Scores less their maximum.
    distances: Block,
    /// Where weights are not zero.
    is_seen: [__mmask16; N_REGISTERS],
    weights: Block,
}

/// Writes the weights over the scores. The new maximum, and the factor of what was summed so far.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn weigh(scores: &mut [f32; KEY_BLOCK], max: f32) -> (f32, f32, Weighed) {
    let block: Block = std::array::from_fn(|i| {
        // SAFETY: four times 16 values; loads need no alignment.
        unsafe { _mm512_loadu_ps(scores.as_ptr().add(i * N)) }
    });
    let mut maxima = _mm512_set1_ps(max);
    for scores in block {
        maxima = _mm512_max_ps(scores, maxima);
    }
    let [a, b, c, d] = quarters(maxima);
    let maxima = _mm_max_ps(_mm_max_ps(d, b), _mm_max_ps(c, a));
    let maxima = _mm_max_ps(_mm_movehl_ps(maxima, maxima), maxima);
    let new_max = _mm_cvtss_f32(_mm_max_ss(_mm_movehdup_ps(maxima), maxima));
    let shift = attention::finite(new_max);
    let distances = block.map(|scores| _mm512_sub_ps(scores, _mm512_set1_ps(shift)));
    let is_seen = distances.map(|x| _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(x, _mm512_set1_ps(X_MIN)));
    let weights = std::array::from_fn(|i| exp_below_zero(distances[i], is_seen[i]));
    for (i, &weights) in weights.iter().enumerate() {
        // SAFETY: as above.
        unsafe { _mm512_storeu_ps(scores.as_mut_ptr().add(i * N), weights) };
    }
    let factor = if new_max == max { 1.0 } else { exp(max - shift) };
    (new_max, factor, Weighed { distances, is_seen, weights })
}

/// [`exp`] of what is not above zero, or not a number; zero where it is not seen.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn exp_below_zero(x: __m512, is_seen: __mmask16) -> __m512 {
    let shifted = _mm512_fmadd_ps(x, _mm512_set1_ps(LOG2_E), _mm512_set1_ps(ROUND));
    let n = _mm512_sub_ps(shifted, _mm512_set1_ps(ROUND));
    let r = _mm512_fmadd_ps(n, _mm512_set1_ps(-LN_2_HIGH), x);
    let r = _mm512_fmadd_ps(n, _mm512_set1_ps(-LN_2_LOW), r);
    let mut p = _mm512_set1_ps(1.0 / 5040.0);
    for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = _mm512_fmadd_ps(r, p, _mm512_set1_ps(factor));
    }
    let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted));
    let power = _mm512_add_epi32(exponent, _mm512_set1_epi32(127 << 23));
    _mm512_maskz_mul_ps(is_seen, p, _mm512_castsi512_ps(power))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn add(block: Block) -> __m512 {
    block.into_iter().fold(_mm512_setzero_ps(), |sum, values| _mm512_add_ps(sum, values))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn lanes() -> __m512i {
    _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn quarters(lanes: __m512) -> [__m128; 4] {
    [
        _mm512_castps512_ps128(lanes),
        _mm512_extractf32x4_ps::<1>(lanes),
        _mm512_extractf32x4_ps::<2>(lanes),
        _mm512_extractf32x4_ps::<3>(lanes),
    ]
}

/// Four lanes of sums of four.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn sum_quarters(lanes: __m512) -> __m128 {
    let [a, b, c, d] = quarters(lanes);
    _mm_add_ps(_mm_add_ps(a, c), _mm_add_ps(b, d))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn sum(lanes: __m512) -> f32 {
    let sums = sum_quarters(lanes);
    let pair = _mm_add_ps(sums, _mm_movehl_ps(sums, sums));
    _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)))
}

/// Side by side, the additions of each as in [`sum`].
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn sum_three(a: __m512, b: __m512, c: __m512) -> [f32; 3] {
    // Eight lanes of each: `a` and `b` in one register.
    let low = _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b);
    let ab = _mm512_add_ps(low, _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b));
    let c = _mm256_add_ps(_mm512_castps512_ps256(c), _mm512_extractf32x8_ps::<1>(c));
    // Four of each.
    let [a0, a1, b0, b1] = quarters(ab);
    let (a, b) = (_mm_add_ps(a0, a1), _mm_add_ps(b0, b1));
    let c = _mm_add_ps(_mm256_castps256_ps128(c), _mm256_extractf128_ps::<1>(c));
    // Two, and one.
    let ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
    let c = _mm_add_ps(c, _mm_movehl_ps(c, c));
    let even = _mm_shuffle_ps::<0b10_00_10_00>(ab, c);
    let odd = _mm_shuffle_ps::<0b11_01_11_01>(ab, c);
    let mut sums = [0.0; 4];
    // SAFETY: four values; the store needs no alignment.
    unsafe { _mm_storeu_ps(sums.as_mut_ptr(), _mm_add_ps(even, odd)) };
    let [a, b, c, _] = sums;
    [a, b, c]
}
