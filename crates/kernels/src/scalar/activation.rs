//! Activations, gated and plain, and the logit cap.

use super::exp::{exp, tanh};

#[inline(always)]
pub(crate) fn silu_mul(gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len(), "lengths differ");
    gate.iter_mut().zip(up).for_each(|(gate, up)| *gate = *gate * sigmoid(*gate) * up);
}

/// `g sigmoid(1.702 g) (u + 1)` with `g = min(gate, 7)` and `u` cut to `-7..=7`. NaN stays what it
/// is.
#[inline(always)]
pub(crate) fn clamped_silu_mul(gate: &mut [f32], up: &[f32]) {
    const SLOPE: f32 = 1.702;
    const LIMIT: f32 = 7.0;
    assert_eq!(gate.len(), up.len(), "lengths differ");
    for (gate, up) in gate.iter_mut().zip(up) {
        let g = if *gate > LIMIT { LIMIT } else { *gate };
        *gate = g * sigmoid(SLOPE * g) * (up.clamp(-LIMIT, LIMIT) + 1.0);
    }
}

#[inline(always)]
pub(crate) fn gelu_tanh_mul(gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len(), "lengths differ");
    gate.iter_mut().zip(up).for_each(|(gate, up)| *gate = gelu_tanh_of(*gate) * up);
}

#[inline(always)]
pub(crate) fn gelu_tanh(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = gelu_tanh_of(*x));
}

/// `x Phi(x)`; `Phi(-|x|) = erfc(|x| / sqrt(2)) / 2` by Abramowitz & Stegun, 7.1.26, which is off
/// by at most 1.5e-7.
#[inline(always)]
pub(crate) fn gelu(x: &mut [f32]) {
    for x in x {
        let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
        let t = 1.0 / z.mul_add(0.327_591_1, 1.0);
        let mut p = 1.061_405_4;
        p = t.mul_add(p, -1.453_152);
        p = t.mul_add(p, 1.421_413_7);
        p = t.mul_add(p, -0.284_496_74);
        p = t.mul_add(p, 0.254_829_6);
        let below = 0.5 * t * p * exp(-z * z);
        *x *= if *x < 0.0 { below } else { 1.0 - below };
    }
}

/// NaN stays what it is.
#[inline(always)]
pub(crate) fn relu(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x });
}

#[inline(always)]
pub(crate) fn relu_squared(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x * *x });
}

#[inline(always)]
pub(crate) fn softcap(x: &mut [f32], cap: f32) {
    x.iter_mut().for_each(|x| *x = cap * tanh(*x / cap));
}

/// `0.5 x (1 + tanh(u))` is `x sigmoid(2 u)`, which does not cancel where tanh is near -1.
#[inline(always)]
fn gelu_tanh_of(x: f32) -> f32 {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    let u = SQRT_2_OVER_PI * (x * x).mul_add(0.044_715 * x, x);
    x * sigmoid(2.0 * u)
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}
