//! Laws of watching: statistics and rows of weights are those of the formula, and who watches
//! changes nothing.

use kernels::{KEY_BLOCK, Kernels};
use proptest::prelude::*;

use super::super::{attend_watched, attention_weights};
use super::{Case, Step, attend, cases, choosing};
use crate::kv::KvType;
use crate::probe::{N_LOCAL, RowStats, Statistics};

impl Case {
    /// Rows of weights by a second pass over the keys, of all tokens of a chunk.
    fn weights(&self, kernels: &Kernels, chunk: usize, n_threads: usize) -> Vec<Vec<f32>> {
        let mut rows = Vec::new();
        let n_heads = self.params.n_heads;
        self.run_by(kernels, chunk, n_threads, |step, out, log_sum_exp| {
            let Step { ctx, queries, keys, buffers, pool, scratch } = step;
            attend(ctx, queries, keys, buffers, (pool, scratch), (out, &mut *log_sum_exp));
            for (token_idx, log_sum_exp) in log_sum_exp.chunks_exact(n_heads).enumerate() {
                let mut weights = Vec::new();
                let (row, threads) = ((queries, token_idx), (&mut *pool, &mut *scratch));
                let found = (&mut weights, &mut Vec::new());
                attention_weights(ctx, row, keys, buffers, threads, log_sum_exp, found);
                rows.extend(weights.chunks(weights.len() / n_heads).map(<[f32]>::to_vec));
            }
        });
        rows
    }

    fn check_weights(&self, kernels: &Kernels) {
        let expected = self.reference().weights;
        let found = self.weights(kernels, self.n_tokens, 2);
        for (row_idx, (found, expected)) in
            found.iter().zip(expected.chunks_exact(self.n_tokens)).enumerate()
        {
            for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
                let difference = (f64::from(*found) - expected).abs();
                let is_close = difference <= self.tolerance();
                assert!(is_close, "{self:?}: row {row_idx}, key {k}: {found}, {expected}");
            }
        }
    }

    /// What online softmax tells on the way, against the same sums over rows of weights.
    fn check_statistics(&self, kernels: &Kernels, chunk: usize) {
        let plain = self.run(kernels, chunk, 2);
        let mut rows = self.weights(kernels, chunk, 1).into_iter();
        let watched = self.run_by(kernels, chunk, 2, |step, out, log_sum_exp| {
            let Step { ctx, queries, keys, buffers, pool, scratch } = step;
            let threads = (pool, scratch);
            let outs = (out, &mut *log_sum_exp);
            let found = attend_watched(ctx, queries, keys, buffers, threads, outs);
            self.check_rows(&found, queries.positions, log_sum_exp, &mut rows);
        });
        assert_eq!(plain, watched, "who watches changes nothing");
    }

    fn check_rows(
        &self,
        found: &Statistics<'_>,
        positions: &[u32],
        log_sum_exp: &[f32],
        rows: &mut impl Iterator<Item = Vec<f32>>,
    ) {
        let n_heads = self.params.n_heads;
        let n_blocks = found.masses(0, 0).len();
        for (band_idx, band) in found.bands().iter().enumerate() {
            let mut masses = vec![vec![0.0; n_blocks]; n_heads];
            for token_idx in band.clone() {
                for head_idx in 0..n_heads {
                    let row = rows.next().expect("a row for each token and head");
                    let stats = found.row(token_idx, head_idx);
                    let of_row = log_sum_exp[token_idx * n_heads + head_idx];
                    assert_eq!(stats.log_sum_exp.to_bits(), of_row.to_bits());
                    check_row(stats, positions[token_idx], &row);
                    for (mass, weights) in masses[head_idx].iter_mut().zip(row.chunks(KEY_BLOCK)) {
                        *mass += f64::from(weights.iter().sum::<f32>());
                    }
                }
            }
            for (head_idx, masses) in masses.iter().enumerate() {
                for (found, expected) in found.masses(band_idx, head_idx).iter().zip(masses) {
                    check_close("mass", *found, *expected, TOLERANCE_SUM);
                }
            }
        }
    }
}

/// Sums of f32 weights in different orders.
const TOLERANCE_SUM: f64 = 2e-5;

#[track_caller]
fn check_close(what: &str, found: f32, expected: f64, tolerance: f64) {
    let difference = (f64::from(found) - expected).abs();
    let bound = tolerance * expected.abs().max(1.0);
    assert!(difference <= bound, "{what}: {found}, expected {expected}");
}

/// The definitions, over the weights of one row.
fn check_row(stats: &RowStats, query_pos: u32, weights: &[f32]) {
    let sum = |term: &dyn Fn(usize, f64) -> f64| -> f64 {
        let seen = weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0);
        seen.map(|(key_idx, &weight)| term(key_idx, f64::from(weight))).sum()
    };
    let total = sum(&|_, w| w);
    if total == 0.0 {
        return assert_eq!(stats.entropy, 0.0);
    }
    let back = |key_idx: usize| f64::from(query_pos) - key_idx as f64;
    check_close("entropy", stats.entropy, sum(&|_, w| -w * w.ln()), TOLERANCE_SUM);
    check_close("first", stats.first, f64::from(weights[0]), TOLERANCE_SUM);
    let is_near = |key_idx: usize| (0.0..N_LOCAL as f64).contains(&back(key_idx));
    let local = sum(&|key_idx, w| if is_near(key_idx) { w } else { 0.0 });
    check_close("local", stats.local, local, TOLERANCE_SUM);
    let distance = sum(&|key_idx, w| w * back(key_idx)) / total;
    check_close("distance", stats.distance, distance, TOLERANCE_SUM);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn weights_of_a_row_equal_the_reference(case in cases()) {
        case.check_weights(kernels::detect());
    }

    #[test]
    fn statistics_are_those_of_the_weights(case in cases(), chunk in 1usize..200) {
        let chunk = if case.pattern.sees(0, 1) { case.n_tokens } else { chunk };
        case.check_statistics(kernels::detect(), chunk);
    }
}

#[test]
fn who_watches_sees_the_chosen_blocks() {
    for kv_type in KvType::ALL {
        choosing(kv_type, 2).check_statistics(kernels::detect(), 100);
    }
}
