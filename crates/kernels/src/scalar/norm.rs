//! Norms and the residual sum.

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

/// In two passes: the mean of the squares minus the square of the mean would cancel.
#[inline(always)]
pub(crate) fn layer_norm(x: &[f32], gain: &[f32], eps: f32, out: &mut [f32]) {
    assert!(x.len() == gain.len() && x.len() == out.len(), "lengths differ");
    let mean = lanes::total(x) / x.len() as f32;
    for (out, x) in out.iter_mut().zip(x) {
        *out = x - mean;
    }
    let variance = lanes::dot(out, out) / x.len() as f32;
    let inverse = 1.0 / (variance + eps).sqrt();
    for (out, gain) in out.iter_mut().zip(gain) {
        *out = *out * inverse * gain;
    }
}

#[inline(always)]
pub(crate) fn add(acc: &mut [f32], x: &[f32]) {
    assert_eq!(acc.len(), x.len(), "lengths differ");
    acc.iter_mut().zip(x).for_each(|(acc, x)| *acc += x);
}
