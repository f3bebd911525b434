//! Whole slices between f16 and f32, a register at a time.

use std::arch::x86_64::*;

use super::lanes::Lanes;
use crate::block::float;

#[inline(always)]
pub(super) fn f16_to_f32<L: Lanes>(lanes: L, src: &[u16], dst: &mut [f32]) {
    assert_eq!(src.len(), dst.len(), "lengths differ");
    let (src, mut dst) = (src.chunks_exact(L::N), dst.chunks_exact_mut(L::N));
    let src_rest = src.remainder();
    for (src, dst) in src.zip(&mut dst) {
        // SAFETY: both are one register of values.
        unsafe { lanes.store(dst.as_mut_ptr(), lanes.load_f16(src.as_ptr())) };
    }
    src_rest.iter().zip(dst.into_remainder()).for_each(|(&h, x)| *x = float::f16_to_f32(h));
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn f32_to_f16(src: &[f32], dst: &mut [u16]) {
    assert_eq!(src.len(), dst.len(), "lengths differ");
    let (src, src_rest) = src.as_chunks::<8>();
    let (dst, dst_rest) = dst.as_chunks_mut::<8>();
    for (src, dst) in src.iter().zip(dst) {
        // SAFETY: both are arrays of 8, and neither access needs alignment.
        unsafe {
            let values = _mm256_loadu_ps(src.as_ptr());
            let halves = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(values);
            _mm_storeu_si128(dst.as_mut_ptr().cast(), halves);
        }
    }
    src_rest.iter().zip(dst_rest).for_each(|(&x, h)| *h = float::f32_to_f16(x));
}
