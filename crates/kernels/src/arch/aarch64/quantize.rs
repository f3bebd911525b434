//! Activations to int8, a group of 32 in eight registers.

use std::arch::aarch64::*;

use super::registers::{load_f32, store_i8};
use crate::scalar::quantize::{Group, pack_rows, scale_and_inverse};
use crate::{ACT_GROUP, QuantizedTile};

#[target_feature(enable = "neon")]
pub(super) fn quantize(x: &[f32], n_in: usize, out: &mut QuantizedTile) {
    pack_rows(x, n_in, out, |x| quantize_group(x));
}

#[inline]
#[target_feature(enable = "neon")]
fn quantize_group(x: &[f32; ACT_GROUP]) -> Group {
    let x = x.as_chunks().0;
    let x = [0, 1, 2, 3, 4, 5, 6, 7].map(|i| load_f32(&x[i]));
    let Some((scale, inverse)) = scale_and_inverse(max_magnitude(x)) else {
        return Group::NOT_FINITE;
    };
    // Rounds to nearest even.
    let q = x.map(|x| vmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(x, inverse))));
    let join = |a, b| vmovn_s16(vcombine_s16(a, b));
    let first = vcombine_s8(join(q[0], q[1]), join(q[2], q[3]));
    let last = vcombine_s8(join(q[4], q[5]), join(q[6], q[7]));
    let mut quants = [0; ACT_GROUP];
    let halves = quants.as_chunks_mut().0;
    store_i8(&mut halves[0], first);
    store_i8(&mut halves[1], last);
    let sums = [first, last].map(|q| i32::from(vaddlvq_s8(q)));
    Group { scale, quants, sums }
}

/// Magnitudes order like their bits, with infinity and then NaN on top.
#[inline]
#[target_feature(enable = "neon")]
fn max_magnitude(x: [float32x4_t; 8]) -> f32 {
    let bits = x.map(|x| vreinterpretq_u32_f32(vabsq_f32(x)));
    let max = |a, b| vmaxq_u32(a, b);
    let low = max(max(bits[0], bits[1]), max(bits[2], bits[3]));
    let high = max(max(bits[4], bits[5]), max(bits[6], bits[7]));
    f32::from_bits(vmaxvq_u32(max(low, high)))
}
