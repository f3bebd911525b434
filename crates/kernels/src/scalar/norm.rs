//! RMS norm and the residual sum.

use super::lanes;

#[inline(always)]
pub(crate) fn rms_norm(x: &[f32], gain: &[f32], eps: f32, out: &mut [f32]) {
    assert!(x.len() == gain.len() && x.len() == out.len(), "lengths differ");
    let mean = lanes::dot(x, x) / x.len() as f32;
    let inverse = 1.0 / (mean + eps).sqrt();
    for ((out, x), gain) in out.iter_mut().zip(x).zip(gain) {
        *out = x * inverse * gain;
    }
}

#[inline(always)]
pub(crate) fn add(acc: &mut [f32], x: &[f32]) {
    assert_eq!(acc.len(), x.len(), "lengths differ");
    acc.iter_mut().zip(x).for_each(|(acc, x)| *acc += x);
}
