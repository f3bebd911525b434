//! Norm, activations, positions and conversions: all tables alike, and true to f64.

use kernels::{Kernels, scalar};
use proptest::prelude::*;

use crate::rows::{check_same, normal, random, wide_tables};

/// Relative error of a norm: 16 short sums, a root and two products.
const NORM_ERROR: f64 = 1e-6;
/// Error of an activation relative to the larger of its input and result: the exponential's 2e-7
/// times exponents up to 20, whose own rounding counts absolutely.
const ACTIVATION_ERROR: f64 = 3e-6;

/// Of the normal distribution's integral: 7.5e-8 by the formula, and f32's own.
const GELU_ERROR: f64 = 3e-7;

type Case = fn(&Kernels, &[f32], &[f32]) -> Vec<f32>;

fn in_place(x: &[f32], f: impl Fn(&mut [f32])) -> Vec<f32> {
    let mut x = x.to_vec();
    f(&mut x);
    x
}

const CASES: [(&str, Case); 15] = [
    ("rms_norm", |table, x, y| {
        let mut out = vec![f32::NAN; x.len()];
        (table.rms_norm)(x, y, 1e-6, &mut out);
        out
    }),
    ("layer_norm", |table, x, y| {
        let mut out = vec![f32::NAN; x.len()];
        (table.layer_norm)(x, y, 1e-6, &mut out);
        out
    }),
    ("silu_mul", |table, x, y| in_place(x, |x| (table.silu_mul)(x, y))),
    ("clamped_silu_mul", |table, x, y| in_place(x, |x| (table.clamped_silu_mul)(x, y))),
    ("gelu_tanh_mul", |table, x, y| in_place(x, |x| (table.gelu_tanh_mul)(x, y))),
    ("gelu_tanh", |table, x, _| in_place(x, |x| (table.gelu_tanh)(x))),
    ("gelu", |table, x, _| in_place(x, |x| (table.gelu)(x))),
    ("relu", |table, x, _| in_place(x, |x| (table.relu)(x))),
    ("relu_squared", |table, x, _| in_place(x, |x| (table.relu_squared)(x))),
    ("softcap", |table, x, _| in_place(x, |x| (table.softcap)(x, 3.0))),
    ("add", |table, x, y| in_place(x, |x| (table.add)(x, y))),
    ("rope_interleaved", |table, x, y| {
        let (cos, sin) = y[..y.len() / 2 * 2].split_at(y.len() / 2);
        let half = cos.len() / 2;
        in_place(x, |x| (table.rope_interleaved)(x, &cos[..half], &sin[..half]))
    }),
    ("rope_half_split", |table, x, y| {
        let (cos, sin) = y[..y.len() / 2 * 2].split_at(y.len() / 2);
        let half = cos.len() / 2;
        in_place(x, |x| (table.rope_half_split)(x, &cos[..half], &sin[..half]))
    }),
    ("f32_to_f16", |table, x, _| {
        let mut halves = vec![0; x.len()];
        (table.f32_to_f16)(x, &mut halves);
        halves.iter().map(|&h| f32::from(h)).collect()
    }),
    ("f16_to_f32", |table, x, _| {
        let halves: Vec<u16> = x.iter().map(|x| (x.to_bits() >> 8) as u16).collect();
        let mut wide = vec![0.0; x.len()];
        (table.f16_to_f32)(&halves, &mut wide);
        wide
    }),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pointwise_tables_agree(n in 1usize..100, seed: u64, e in -20i32..20) {
        let x = normal(seed, n, 10f32.powi(e));
        let y = normal(!seed, n, 1.0);
        for table in wide_tables() {
            for (name, case) in CASES {
                check_same(name, &case(table, &x, &y), &case(scalar(), &x, &y));
            }
        }
    }

    #[test]
    fn pointwise_tables_agree_on_any_bits(n in 1usize..100, seed: u64) {
        let mut random = random(seed);
        let mut row = || (0..n).map(|_| f32::from_bits(random())).collect::<Vec<_>>();
        let (x, y) = (row(), row());
        for table in wide_tables() {
            for (name, case) in CASES {
                check_same(name, &case(table, &x, &y), &case(scalar(), &x, &y));
            }
        }
    }
}

fn check(got: &[f32], x: &[f32], bound: f64, truth: impl Fn(usize) -> f64) {
    for (i, &got) in got.iter().enumerate() {
        let expected = truth(i);
        let error = (f64::from(got) - expected).abs();
        let size = expected.abs().max(f64::from(x[i]).abs() * bound);
        assert!(error <= bound * size, "at {i}, x = {}: {got}, not {expected}", x[i]);
    }
}

/// `Phi(x)`, by Simpson's rule from 0 on.
fn normal_distribution(x: f64) -> f64 {
    const N: u32 = 2000;
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let step = x / f64::from(N);
    let weight = |i: u32| if i == 0 || i == N { 1.0 } else { 2.0 + 2.0 * f64::from(i % 2) };
    let sum: f64 = (0..=N).map(|i| weight(i) * density(f64::from(i) * step)).sum();
    0.5 + sum * step / 3.0
}

#[test]
fn norms_and_activations_are_true() {
    let x = normal(11, 1000, 4.0);
    let y = normal(12, 1000, 1.0);
    let (x64, y64) = (|i: usize| f64::from(x[i]), |i: usize| f64::from(y[i]));
    let case = |name: &str| {
        let (_, case) = CASES.iter().find(|case| case.0 == name).expect("a case of that name");
        case(scalar(), &x, &y)
    };

    let mean = (0..1000).map(|i| x64(i) * x64(i)).sum::<f64>() / 1000.0;
    let inverse = 1.0 / (mean + 1e-6).sqrt();
    check(&case("rms_norm"), &x, NORM_ERROR, |i| x64(i) * inverse * y64(i));
    let mean = (0..1000).map(x64).sum::<f64>() / 1000.0;
    let variance = (0..1000).map(|i| (x64(i) - mean).powi(2)).sum::<f64>() / 1000.0;
    for (i, got) in case("layer_norm").into_iter().enumerate() {
        let expected = (x64(i) - mean) / (variance + 1e-6).sqrt() * y64(i);
        // Normed values are of order one, where the difference cancels too.
        let size = expected.abs().max(y64(i).abs());
        assert!((f64::from(got) - expected).abs() <= NORM_ERROR * size, "at {i}: {got}");
    }
    check(&case("silu_mul"), &x, ACTIVATION_ERROR, |i| x64(i) / (1.0 + (-x64(i)).exp()) * y64(i));
    check(&case("clamped_silu_mul"), &x, ACTIVATION_ERROR, |i| {
        let gate = x64(i).min(7.0);
        gate / (1.0 + (-1.702 * gate).exp()) * (y64(i).clamp(-7.0, 7.0) + 1.0)
    });
    let gelu_tanh = |i: usize| {
        let u = (2.0 / std::f64::consts::PI).sqrt() * (x64(i) + 0.044715 * x64(i).powi(3));
        // 1 + tanh(u) without the cancellation.
        x64(i) / (1.0 + (-2.0 * u).exp())
    };
    check(&case("gelu_tanh_mul"), &x, ACTIVATION_ERROR, |i| gelu_tanh(i) * y64(i));
    check(&case("gelu_tanh"), &x, ACTIVATION_ERROR, gelu_tanh);
    for (i, got) in case("gelu").into_iter().enumerate() {
        let error = (f64::from(got) - x64(i) * normal_distribution(x64(i))).abs();
        assert!(error <= GELU_ERROR * x64(i).abs(), "at {i}, x = {}: {got}", x[i]);
    }
    check(&case("relu"), &x, 0.0, |i| x64(i).max(0.0));
    check(&case("relu_squared"), &x, NORM_ERROR, |i| x64(i).max(0.0).powi(2));
    check(&case("softcap"), &x, ACTIVATION_ERROR, |i| 3.0 * (x64(i) / 3.0).tanh());
}

#[test]
fn rope_turns_pairs_by_their_angles() {
    let head = [1.0, 2.0, 3.0, 4.0, 9.0];
    let (cos, sin) = ([0.0, -1.0], [1.0, 0.0]);
    for table in kernels::tables() {
        let turned = in_place(&head, |head| (table.rope_interleaved)(head, &cos, &sin));
        assert_eq!(turned, [-2.0, 1.0, -3.0, -4.0, 9.0]);
        let turned = in_place(&head, |head| (table.rope_half_split)(head, &cos, &sin));
        assert_eq!(turned, [-3.0, -2.0, 1.0, -4.0, 9.0]);
    }
}

#[test]
fn activations_saturate_and_keep_nan() {
    for table in kernels::tables() {
        let x = [100.0, -100.0, f32::NAN, 0.0];
        for activation in [table.silu_mul, table.gelu_tanh_mul] {
            let y = in_place(&x, |x| activation(x, &[1.0; 4]));
            assert_eq!((y[0], y[1].abs(), y[3]), (100.0, 0.0, 0.0));
            assert!(y[2].is_nan());
        }
        let y = in_place(&x, |x| (table.clamped_silu_mul)(x, &[9.0, 1.0, 1.0, f32::NAN]));
        let at_limit = in_place(&[7.0; 3], |x| (table.clamped_silu_mul)(x, &[7.0, -7.0, -1.0]));
        assert_eq!((y[0], y[1].abs()), (at_limit[0], 0.0));
        assert!(y[2].is_nan() && y[3].is_nan());
        let y = in_place(&[100.0; 3], |x| (table.clamped_silu_mul)(x, &[9.0, -9.0, -1.0]));
        assert_eq!(y, at_limit);
        assert!((y[0] - 56.0).abs() < 1e-3 && (y[1] + 42.0).abs() < 1e-3 && y[2] == 0.0);
        for activation in [table.gelu_tanh, table.gelu, table.relu] {
            let y = in_place(&x, activation);
            assert_eq!((y[0], y[1].abs(), y[3]), (100.0, 0.0, 0.0));
            assert!(y[2].is_nan());
        }
        let y = in_place(&[1e30, -1e30, f32::NAN], |x| (table.softcap)(x, 30.0));
        assert_eq!(y[..2], [30.0, -30.0]);
        assert!(y[2].is_nan());
    }
}

/// The transform is a rotation that is its own inverse, alike on all tables.
#[test]
fn hadamard_twice_is_the_identity() {
    for n in [0, 1, 2, 64, 80, 96, 128, 33] {
        let x = normal(n as u64, n, 1.0);
        let mut expected = x.clone();
        (scalar().hadamard)(&mut expected);
        for table in kernels::tables() {
            let mut rotated = x.clone();
            (table.hadamard)(&mut rotated);
            check_same(table.name, &rotated, &expected);
            let length = |x: &[f32]| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
            assert!((length(&rotated) - length(&x)).abs() <= 1e-5 * length(&x));
            (table.hadamard)(&mut rotated);
            assert!(rotated.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-5), "{n}");
        }
    }
    let mut one = [0.0; 4];
    one[2] = 2.0;
    (scalar().hadamard)(&mut one);
    assert_eq!(one, [1.0, 1.0, -1.0, -1.0]);
}
