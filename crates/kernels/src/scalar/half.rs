//! Whole slices between f16 and f32.

use crate::block::float;

pub(crate) fn f16_to_f32(src: &[u16], dst: &mut [f32]) {
    assert_eq!(src.len(), dst.len(), "lengths differ");
    src.iter().zip(dst).for_each(|(&h, x)| *x = float::f16_to_f32(h));
}

pub(crate) fn f32_to_f16(src: &[f32], dst: &mut [u16]) {
    assert_eq!(src.len(), dst.len(), "lengths differ");
    src.iter().zip(dst).for_each(|(&x, h)| *h = float::f32_to_f16(x));
}
