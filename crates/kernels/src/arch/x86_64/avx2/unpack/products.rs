//! Lanes multiplied as they are unpacked: eight rows of one block times a tile of tokens.

use std::arch::x86_64::*;

use super::lanes::{Lanes, PART};
use crate::arch::x86_64::int_panel::{SIGNED, int16_depth};
use crate::block::CHUNK_GROUPS;

/// Integer sums of every `PART` columns, to be added up group after group when the block is whole:
/// formats keep their columns in another order than the sums have to be in.
pub(super) struct Products<
    'a,
    const T: usize,
    const LEN: usize,
    const GROUP: usize,
    const Q_MAX: i32,
> {
    /// `[LEN / PART]`; int16 lanes where four products fit, else int32.
    sums: [[__m256i; T]; CHUNK_GROUPS],
    /// `[LEN / GROUP]`
    scales: [__m256; CHUNK_GROUPS],
    /// `[LEN / GROUP]`
    mins: [__m256; CHUNK_GROUPS],
    /// Quants of the tokens: `[LEN / 4, T, 4]`
    x: &'a [i8],
}

impl<'a, const T: usize, const LEN: usize, const GROUP: usize, const Q_MAX: i32>
    Products<'a, T, LEN, GROUP, Q_MAX>
{
    const DEPTH: usize = int16_depth(Q_MAX);
    /// Quads of columns in a part.
    const STEPS: usize = PART / 4;

    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn new() -> Self {
        Self {
            sums: [[_mm256_setzero_si256(); T]; CHUNK_GROUPS],
            scales: [_mm256_setzero_ps(); CHUNK_GROUPS],
            mins: [_mm256_setzero_ps(); CHUNK_GROUPS],
            x: &[],
        }
    }

    /// The tokens' quants for the block that follows: `[LEN / 4, T, 4]`.
    #[inline(always)]
    pub(super) fn start_block(&mut self, x: &'a [i8]) {
        assert!(x.len() == LEN * T);
        self.x = x;
    }

    /// Adds group `g` of the block to `acc`, for token `t`.
    #[inline(always)]
    pub(super) fn add_group(&self, g: usize, t: usize, x_scale: f32, x_sum: f32, acc: &mut __m256) {
        let parts = g * GROUP / PART..(g + 1) * GROUP / PART;
        assert!(parts.end <= LEN / PART && t < T);
        // SAFETY: `new` asks for the instructions.
        unsafe {
            let ones = _mm256_set1_epi16(1);
            let mut sum = _mm256_setzero_si256();
            for part in parts {
                let next = self.sums[part][t];
                sum = if Self::DEPTH >= GROUP / 4 {
                    _mm256_add_epi16(sum, next)
                } else if Self::DEPTH >= Self::STEPS {
                    _mm256_add_epi32(sum, _mm256_madd_epi16(next, ones))
                } else {
                    _mm256_add_epi32(sum, next)
                };
            }
            if Self::DEPTH >= GROUP / 4 {
                sum = _mm256_madd_epi16(sum, ones);
            }
            let scale = _mm256_mul_ps(self.scales[g], _mm256_set1_ps(x_scale));
            *acc = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(sum), *acc);
            if Q_MAX != SIGNED {
                *acc = _mm256_fnmadd_ps(self.mins[g], _mm256_set1_ps(x_sum), *acc);
            }
        }
    }

    /// Step `i` of a part for token `t`, its four columns in every lane.
    ///
    /// # Safety
    /// `start_block` was called, `part < LEN / PART`, `i < STEPS`, `t < T`, and the CPU has AVX2.
    #[inline(always)]
    unsafe fn activations(&self, part: usize, i: usize, t: usize) -> __m256i {
        let at = ((part * Self::STEPS + i) * T + t) * 4;
        // SAFETY: `at + 4 <= LEN * T`, the length of `x`; the read needs no alignment.
        unsafe { _mm256_set1_epi32(self.x.as_ptr().add(at).cast::<i32>().read_unaligned()) }
    }
}

impl<const T: usize, const LEN: usize, const GROUP: usize, const Q_MAX: i32>
    Lanes<LEN, GROUP, Q_MAX> for Products<'_, T, LEN, GROUP, Q_MAX>
{
    #[inline(always)]
    fn set_quants(&mut self, part: usize, w: [__m256i; 4]) {
        assert!(part < LEN / PART && self.x.len() == LEN * T);
        for t in 0..T {
            // SAFETY: just asserted; `new` asks for the instructions.
            unsafe {
                let ones = _mm256_set1_epi16(1);
                let mut products = [_mm256_setzero_si256(); 4];
                for i in 0..Self::STEPS {
                    let x = self.activations(part, i, t);
                    products[i] = if Q_MAX == SIGNED {
                        // |-128| is 128 as an unsigned byte.
                        _mm256_maddubs_epi16(_mm256_abs_epi8(w[i]), _mm256_sign_epi8(x, w[i]))
                    } else {
                        _mm256_maddubs_epi16(w[i], x)
                    };
                }
                let [a, b, c, d] = products;
                self.sums[part][t] = if Self::DEPTH >= Self::STEPS {
                    _mm256_add_epi16(_mm256_add_epi16(a, b), _mm256_add_epi16(c, d))
                } else if Self::DEPTH == 2 {
                    let low = _mm256_madd_epi16(_mm256_add_epi16(a, b), ones);
                    _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_add_epi16(c, d), ones))
                } else {
                    let low =
                        _mm256_add_epi32(_mm256_madd_epi16(a, ones), _mm256_madd_epi16(b, ones));
                    let high =
                        _mm256_add_epi32(_mm256_madd_epi16(c, ones), _mm256_madd_epi16(d, ones));
                    _mm256_add_epi32(low, high)
                };
            }
        }
    }

    #[inline(always)]
    fn set_scales(&mut self, g: usize, scales: __m256) {
        assert!(g < LEN / GROUP);
        self.scales[g] = scales;
    }

    #[inline(always)]
    fn set_mins(&mut self, g: usize, mins: __m256) {
        assert!(g < LEN / GROUP);
        self.mins[g] = mins;
    }
}
