//! Whole slices between f16 and f32, four at a time.

use std::arch::aarch64::*;

use super::registers::{load_f32, load_u16, store_f32, store_u16};
use crate::block::float;

#[target_feature(enable = "neon")]
pub(super) fn f16_to_f32(src: &[u16], dst: &mut [f32]) {
    assert_eq!(src.len(), dst.len(), "lengths differ");
    let (src, src_rest) = src.as_chunks();
    let (dst, dst_rest) = dst.as_chunks_mut();
    src.iter().zip(dst).for_each(|(src, dst)| store_f32(dst, widen(load_u16(src))));
    src_rest.iter().zip(dst_rest).for_each(|(&h, x)| *x = float::f16_to_f32(h));
}

#[target_feature(enable = "neon")]
pub(super) fn f32_to_f16(src: &[f32], dst: &mut [u16]) {
    assert_eq!(src.len(), dst.len(), "lengths differ");
    let (src, src_rest) = src.as_chunks();
    let (dst, dst_rest) = dst.as_chunks_mut();
    for (src, dst) in src.iter().zip(dst) {
        // Rounds to nearest even.
        store_u16(dst, vreinterpret_u16_f16(vcvt_f16_f32(load_f32(src))));
    }
    src_rest.iter().zip(dst_rest).for_each(|(&x, h)| *h = float::f32_to_f16(x));
}

/// Four f16.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn widen(halves: uint16x4_t) -> float32x4_t {
    vcvt_f32_f16(vreinterpret_f16_u16(halves))
}
