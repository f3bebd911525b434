//! One key block: scores, online softmax, weighted values.

use kernels::{CellBlock, Cells, IntValues, KEY_BLOCK, Kernels, Moments, VALUE_GROUP, scalar};
use proptest::prelude::*;

use crate::rows::{check_same, normal, wide_tables};

/// Weights of the softmax against f64, relative: the exponential's 2e-7, and rounding of
/// `score - max` for scores up to 30, which `exp` turns into a relative error.
const WEIGHT_ERROR: f64 = 5e-6;

fn scores(table: &Kernels, q: &[f32], keys: Cells<'_>, head_dim: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; q.len() / head_dim * KEY_BLOCK];
    (table.attention_scores)(q, keys.into(), head_dim, &mut out);
    out
}

/// A block in every storage type, and as f32.
fn check_cells(block: &[f32], check: impl Fn(Cells<'_>, &[f32])) {
    check(Cells::F32(block), block);
    let f16: Vec<u16> = block.iter().map(|&x| half::f16::from_f32(x).to_bits()).collect();
    let widened: Vec<f32> = f16.iter().map(|&x| half::f16::from_bits(x).to_f32()).collect();
    check(Cells::F16(&f16), &widened);
    let bf16: Vec<u16> = block.iter().map(|&x| half::bf16::from_f32(x).to_bits()).collect();
    let widened: Vec<f32> = bf16.iter().map(|&x| half::bf16::from_bits(x).to_f32()).collect();
    check(Cells::Bf16(&bf16), &widened);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn attention_tables_agree(n_rows in 1usize..20, head_dim in 1usize..131, seed: u64) {
        let q = normal(seed, n_rows * head_dim, 1.0);
        let block = normal(!seed, KEY_BLOCK * head_dim, 1.0);
        let weights = normal(seed ^ 1, n_rows * KEY_BLOCK, 0.1);
        let rescale = normal(seed ^ 2, n_rows, 1.0);
        let accumulate = |table: &Kernels, values: Cells<'_>| {
            let mut acc = q.clone();
            let values = CellBlock { cells: values, next: &[1; 777] };
            (table.attention_accumulate)(&weights, &rescale, values, head_dim, &mut acc);
            acc
        };
        check_cells(&block, |cells, widened| {
            let expected = scores(scalar(), &q, Cells::F32(widened), head_dim);
            let expected_acc = accumulate(scalar(), Cells::F32(widened));
            for table in kernels::tables() {
                check_same(table.name, &scores(table, &q, cells, head_dim), &expected);
                check_same(table.name, &accumulate(table, cells), &expected_acc);
            }
        });
    }

    /// A mean added to scores is a mean added to keys.
    #[test]
    fn means_agree(n_rows in 1usize..20, head_dim in 1usize..131, seed: u64) {
        let q = normal(seed, n_rows * head_dim, 1.0);
        let mean = normal(!seed, head_dim, 1.0);
        let before = normal(seed ^ 1, n_rows * KEY_BLOCK, 1.0);
        let add_dots = |table: &Kernels| {
            let mut scores = before.clone();
            (table.add_dots)(&q, &mean, &mut scores);
            scores
        };
        let expected = add_dots(scalar());
        for table in kernels::tables() {
            check_same(table.name, &add_dots(table), &expected);
        }
        let same_keys: Vec<f32> = mean.iter().flat_map(|&x| [x; KEY_BLOCK]).collect();
        let dots = scores(scalar(), &q, Cells::F32(&same_keys), head_dim);
        for ((found, before), dot) in expected.iter().zip(&before).zip(dots) {
            // Sums of up to 130 products in another order.
            prop_assert!((found - before - dot).abs() <= 1e-4);
        }
    }

    /// Int8 values are those of their scales, and every table sums them alike.
    #[test]
    fn int_values_agree(n_rows in 1usize..20, head_dim in 1usize..131, seed: u64) {
        let weights = normal(seed, n_rows * KEY_BLOCK, 0.1);
        let rescale = normal(seed ^ 2, n_rows, 1.0);
        let n_groups = head_dim.div_ceil(VALUE_GROUP);
        let scales = normal(seed ^ 3, n_groups * KEY_BLOCK, 0.01);
        let quants: Vec<i8> =
            normal(!seed, KEY_BLOCK * head_dim, 40.0).into_iter().map(|x| x as i8).collect();
        let start = normal(seed ^ 4, n_rows * head_dim, 1.0);
        let accumulate = |table: &Kernels| {
            let mut acc = start.clone();
            let values = IntValues { quants: &quants, scales: &scales, next: &[1; 333] };
            (table.attention_accumulate_int)(&weights, &rescale, values, head_dim, &mut acc);
            acc
        };
        let expected = accumulate(scalar());
        for table in wide_tables() {
            check_same(table.name, &accumulate(table), &expected);
        }
        for r in 0..n_rows {
            for d in 0..head_dim {
                let (group, col) = (d / VALUE_GROUP, d % VALUE_GROUP);
                let n_cols = VALUE_GROUP.min(head_dim - group * VALUE_GROUP);
                let terms = (0..KEY_BLOCK).map(|k| {
                    let q = quants[group * VALUE_GROUP * KEY_BLOCK + k * n_cols + col];
                    let scale = f64::from(scales[group * KEY_BLOCK + k]);
                    f64::from(weights[r * KEY_BLOCK + k]) * scale * f64::from(q)
                });
                let start = f64::from(start[r * head_dim + d]) * f64::from(rescale[r]);
                let truth: f64 = start + terms.sum::<f64>();
                let got = f64::from(expected[r * head_dim + d]);
                prop_assert!((got - truth).abs() < 1e-4, "row {r}, column {d}: {got}, {truth}");
            }
        }
    }

    #[test]
    fn softmax_tables_agree(n in 0usize..80, hidden in 0usize..80, seed: u64, max in -5f32..5.0) {
        let mut row = normal(seed, n, 3.0);
        row.iter_mut().take(hidden).for_each(|score| *score = f32::NEG_INFINITY);
        for max in [max, f32::NEG_INFINITY] {
            let mut expected = row.clone();
            let state = (scalar().online_softmax)(&mut expected, max);
            for table in wide_tables() {
                let mut got = row.clone();
                let got_state = (table.online_softmax)(&mut got, max);
                check_same(table.name, &got, &expected);
                let flat = |(max, factor, sum)| [max, factor, sum];
                check_same(table.name, &flat(got_state), &flat(state));
            }
            check_moments(&row, max);
        }
    }
}

/// `scores` and `attention_accumulate` are the products that their names say.
#[test]
fn products_are_those_of_f64() {
    let (n_rows, head_dim) = (3, 20);
    let q = normal(1, n_rows * head_dim, 1.0);
    let block = normal(2, KEY_BLOCK * head_dim, 1.0);
    let got = scores(scalar(), &q, Cells::F32(&block), head_dim);
    let mut acc = q.clone();
    let values = Cells::F32(&block).into();
    (scalar().attention_accumulate)(&got, &[0.5, 2.0, 0.0], values, head_dim, &mut acc);
    for r in 0..n_rows {
        let row = &got[r * KEY_BLOCK..][..KEY_BLOCK];
        for k in 0..KEY_BLOCK {
            let terms = (0..head_dim)
                .map(|d| f64::from(q[r * head_dim + d]) * f64::from(block[d * KEY_BLOCK + k]));
            let expected: f64 = terms.sum();
            assert!((f64::from(row[k]) - expected).abs() < 1e-5, "score of row {r}, key {k}");
        }
        for d in 0..head_dim {
            let start = f64::from(q[r * head_dim + d]) * [0.5, 2.0, 0.0][r];
            let terms =
                (0..KEY_BLOCK).map(|k| f64::from(row[k]) * f64::from(block[k * head_dim + d]));
            let expected: f64 = start + terms.sum::<f64>();
            let got = f64::from(acc[r * head_dim + d]);
            assert!((got - expected).abs() < 1e-4, "value of row {r}, column {d}");
        }
    }
}

/// The softmax is the same bits, the other sums are those of f64.
fn check_moments(row: &[f32], max: f32) {
    let mut weights = row.to_vec();
    let (new_max, factor, sum) = (scalar().online_softmax)(&mut weights, max);
    let exact: Vec<_> = weights.iter().map(|&w| f64::from(w)).collect();
    let of_all = |term: &dyn Fn(usize, f64) -> f64| -> f64 {
        exact.iter().enumerate().map(|(k, &w)| if w == 0.0 { 0.0 } else { term(k, w) }).sum()
    };
    let distance = |k: usize| f64::from(row[k]) - f64::from(new_max);
    let expected = [of_all(&|k, w| w * distance(k)), of_all(&|k, w| w * k as f64)];
    for table in kernels::tables() {
        let mut got = row.to_vec();
        let (got_max, got_factor, moments) = (table.online_softmax_moments)(&mut got, max);
        check_same(table.name, &got, &weights);
        check_same(table.name, &[got_max, got_factor, moments.sum], &[new_max, factor, sum]);
        let Moments { centred, places, .. } = moments;
        for (got, expected) in [centred, places].into_iter().zip(expected) {
            let error = (f64::from(got) - expected).abs();
            assert!(error <= 1e-5 * expected.abs().max(1e-3), "{got}, not {expected}");
        }
    }
}

/// Block after block gives the softmax of the whole row.
#[test]
fn online_softmax_is_softmax() {
    for table in kernels::tables() {
        let mut row = normal(7, 3 * KEY_BLOCK, 8.0);
        row[..70].fill(f32::NEG_INFINITY);
        let mut weights = row.clone();
        let (mut max, mut sum) = (f32::NEG_INFINITY, 0.0);
        for block in 0..3 {
            let (before, rest) = weights.split_at_mut(block * KEY_BLOCK);
            let block = &mut rest[..KEY_BLOCK];
            let (new_max, factor, block_sum) = (table.online_softmax)(block, max);
            before.iter_mut().for_each(|weight| *weight *= factor);
            (max, sum) = (new_max, sum * factor + block_sum);
        }
        let top = row.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        assert_eq!(max, top);
        let exps: Vec<_> = row.iter().map(|&s| (f64::from(s) - f64::from(top)).exp()).collect();
        let total: f64 = exps.iter().sum();
        for (weight, exp) in weights.iter().zip(exps) {
            let (got, expected) = (f64::from(weight / sum), exp / total);
            assert!((got - expected).abs() <= WEIGHT_ERROR * expected, "{got}, not {expected}");
        }
    }
}

#[test]
fn a_row_with_every_key_hidden_changes_nothing() {
    for table in kernels::tables() {
        for max in [f32::NEG_INFINITY, -3.0, 50.0] {
            let mut hidden = [f32::NEG_INFINITY; KEY_BLOCK];
            assert_eq!((table.online_softmax)(&mut hidden, max), (max, 1.0, 0.0));
            assert_eq!(hidden, [0.0; KEY_BLOCK]);
        }
    }
}

#[test]
fn a_nan_score_reaches_the_sum() {
    for table in kernels::tables() {
        for at in [0, 17, 63] {
            for others in [f32::NEG_INFINITY, 1.0] {
                let mut scores = [others; KEY_BLOCK];
                scores[at] = f32::NAN;
                let (_, _, sum) = (table.online_softmax)(&mut scores, f32::NEG_INFINITY);
                assert!(scores[at].is_nan() && sum.is_nan(), "{} at {at}", table.name);
            }
        }
    }
}
