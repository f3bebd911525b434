//! `exp` and `tanh` as straight-line f32 arithmetic, the same bits on every machine.

use std::f32::consts::LOG2_E;

/// Adding it rounds to an integer, to even, in the low bits of the mantissa: 1.5 * 2^23.
pub(crate) const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts; the first has so few bits that its products with `n` are exact.
pub(crate) const LN_2_HIGH: f32 = 0.693_359_4;
pub(crate) const LN_2_LOW: f32 = -2.121_944_4e-4;
/// Below, results would be subnormal: `-126 ln 2`, rounded towards zero.
pub(crate) const X_MIN: f32 = -87.336_54;
/// Above, `2^n` leaves the exponent's range: `127.5 ln 2`, rounded towards zero.
const X_MAX: f32 = 88.376_26;

/// `exp(x)`: 0 below -87.33, infinity above 88.37, NaN for NaN; relative error at most 2e-7.
///
/// With `n = round(x / ln 2)` and `r = x - n ln 2`, `exp(x) = 2^n exp(r)`. The Taylor polynomial
/// of degree 7 leaves `r^8 / 8!`, below 6e-9 for `|r| <= ln 2 / 2`.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let shifted = x.mul_add(LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN_2_LOW, n.mul_add(-LN_2_HIGH, x));
    let mut p = 1.0 / 5040.0;
    p = r.mul_add(p, 1.0 / 720.0);
    p = r.mul_add(p, 1.0 / 120.0);
    p = r.mul_add(p, 1.0 / 24.0);
    p = r.mul_add(p, 1.0 / 6.0);
    p = r.mul_add(p, 0.5);
    p = r.mul_add(p, 1.0);
    p = r.mul_add(p, 1.0);
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    let y = p * power;
    let y = if x < X_MIN { 0.0 } else { y };
    if x > X_MAX { f32::INFINITY } else { y }
}

/// `tanh(x)`, relative error at most 5e-7.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    // Far from zero by definition, with one exponential; near zero that cancels, hence Taylor.
    let far = 1.0 - 2.0 / (exp(2.0 * x) + 1.0);
    let square = x * x;
    let mut p = -1382.0 / 155_925.0;
    p = square.mul_add(p, 62.0 / 2835.0);
    p = square.mul_add(p, -17.0 / 315.0);
    p = square.mul_add(p, 2.0 / 15.0);
    p = square.mul_add(p, -1.0 / 3.0);
    let near = (x * square).mul_add(p, x);
    if square < 0.35 * 0.35 { near } else { far }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two units in the last place: the polynomial's last sums and the product round.
    const EXP_ERROR: f64 = 2e-7;
    /// The quotient near the branch point is of the size of the result, so its roundings double.
    const TANH_ERROR: f64 = 5e-7;

    fn check(f: fn(f32) -> f32, truth: fn(f64) -> f64, x_max: f32, bound: f64) {
        let n = 400_000;
        for i in -n..=n {
            let x = x_max * i as f32 / n as f32;
            let (got, expected) = (f64::from(f(x)), truth(f64::from(x)));
            let error = (got - expected).abs();
            assert!(error <= bound * expected.abs(), "f({x}) = {got}, not {expected}");
        }
    }

    #[test]
    fn exp_is_exp() {
        check(exp, f64::exp, 87.33, EXP_ERROR);
        check(exp, f64::exp, 0.5, EXP_ERROR);
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-88.0), 0.0);
        assert_eq!(exp(-3e38), 0.0);
        assert_eq!(exp(89.0), f32::INFINITY);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert!(exp(88.37).is_finite() && exp(X_MAX).is_finite());
        assert!(exp(X_MIN) > 0.0);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn tanh_is_tanh() {
        check(tanh, f64::tanh, 20.0, TANH_ERROR);
        check(tanh, f64::tanh, 0.4, TANH_ERROR);
        assert_eq!(tanh(f32::NEG_INFINITY), -1.0);
        assert_eq!(tanh(f32::INFINITY), 1.0);
        assert!(tanh(f32::NAN).is_nan());
    }
}
