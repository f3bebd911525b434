//! Choosing scales when encoding: ranges, one least-squares step, and f16 that stays finite.

use super::float::{F16_MAX, f16_to_f32, f32_to_f16};

/// `x` as f16, saturated to the finite range, and the value that a reader will see.
pub(super) fn to_f16(x: f32) -> (u16, f32) {
    let h = f32_to_f16(x.clamp(-F16_MAX, F16_MAX));
    (h, f16_to_f32(h))
}

/// The value of largest magnitude, with its sign; 0 for an empty slice.
pub(super) fn extreme(x: &[f32]) -> f32 {
    x.iter().fold(0.0f32, |best, &v| if v.abs() > best.abs() { v } else { best })
}

/// Least and greatest value.
pub(super) fn range(x: &[f32]) -> (f32, f32) {
    x.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), &v| (lo.min(v), hi.max(v)))
}

/// The integer in `0..=q_max` whose `scale * q - min` is nearest to `x`.
pub(super) fn nearest(x: f32, scale: f32, min: f32, q_max: u8) -> u8 {
    if scale == 0.0 {
        return 0;
    }
    // In f64 nothing overflows; the cast saturates.
    let q = (f64::from(x) + f64::from(min)) / f64::from(scale);
    (q.round() as u8).min(q_max)
}

/// The integer in `-128..=127` whose `scale * q` is nearest to `x`.
pub(super) fn nearest_i8(x: f32, scale: f32) -> i8 {
    if scale == 0.0 {
        return 0;
    }
    (f64::from(x) / f64::from(scale)).round() as i8
}

/// Scale and min (both at least 0) for quants `0..=q_max`: the group's range, then the scale that
/// minimises the squared error of the quants found, `s = sum(q (x + min)) / sum(q^2)`.
pub(super) fn affine(x: &[f32], q_max: u8) -> (f32, f32) {
    let (lo, hi) = range(x);
    let min = (-lo).max(0.0);
    let start = (hi.max(0.0) / 2.0 + min / 2.0) / f32::from(q_max) * 2.0;
    let q = |x: f32| f64::from(nearest(x, start, min, q_max));
    (least_squares(x.iter().map(|&x| (f64::from(x) + f64::from(min), q(x))), start), min)
}

/// Scale, of either sign, for quants `-offset..offset`: the extreme value on the larger side, then
/// one least-squares step.
pub(super) fn symmetric(x: &[f32], offset: u8) -> f32 {
    let start = -extreme(x) / f32::from(offset);
    let q = |x| f64::from(nearest(x, start, start * f32::from(offset), 2 * offset - 1));
    let offset = f64::from(offset);
    least_squares(x.iter().map(|&x| (f64::from(x), q(x) - offset)), start)
}

/// `sum(x q) / sum(q^2)`, or `start` where every quant is zero.
fn least_squares(pairs: impl Iterator<Item = (f64, f64)>, start: f32) -> f32 {
    let (xq, qq) = pairs.fold((0.0, 0.0), |(xq, qq), (x, q)| (xq + x * q, qq + q * q));
    if qq > 0.0 { (xq / qq) as f32 } else { start }
}
