//! Gated activations and the logit cap.

use super::exp::{exp, tanh};

#[inline(always)]
pub(crate) fn silu_mul(gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len(), "lengths differ");
    gate.iter_mut().zip(up).for_each(|(gate, up)| *gate = *gate * sigmoid(*gate) * up);
}

/// `0.5 x (1 + tanh(u))` is `x sigmoid(2 u)`, which does not cancel where tanh is near -1.
#[inline(always)]
pub(crate) fn gelu_tanh_mul(gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len(), "lengths differ");
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    for (gate, up) in gate.iter_mut().zip(up) {
        let x = *gate;
        let u = SQRT_2_OVER_PI * (x * x).mul_add(0.044_715 * x, x);
        *gate = x * sigmoid(2.0 * u) * up;
    }
}

#[inline(always)]
pub(crate) fn softcap(x: &mut [f32], cap: f32) {
    x.iter_mut().for_each(|x| *x = cap * tanh(*x / cap));
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}
