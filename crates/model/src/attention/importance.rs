//! What the blocks of a prompt matter to the tokens that will come after it, by the queries of its
//! last tokens.

use kernels::KEY_BLOCK;

use super::attend::AttendCtx;
use super::tile::{AttendScratch, hide};
use crate::kv::{Importance, KeyMotion, KvView, N_OBSERVED, ObservedQueries};

/// Tokens to come that [`Importance::Expected`] counts on, as in the paper.
const N_EXPECTED: usize = 512;

/// One thread's buffers.
#[derive(Default)]
pub(super) struct ImportanceScratch {
    /// `[N_OBSERVED, n_heads_per_kv, head_dim]`: the queries, moved on
    moved: Vec<f32>,
    /// `[n_heads_per_kv, n_keys]` each
    sums: Vec<f32>,
    squares: Vec<f32>,
    /// `[n_keys]`
    lengths: Vec<f32>,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

/// The observed queries that share a kv head, and what they meet.
pub(crate) struct Judge<'a> {
    pub(crate) attend: &'a AttendCtx<'a>,
    pub(crate) observed: ObservedQueries<'a>,
    pub(crate) kv: KvView<'a>,
    pub(crate) kv_head_idx: usize,
    /// How queries are moved to later positions.
    pub(crate) motion: KeyMotion<'a>,
}

impl Judge<'_> {
    /// Adds up what each block matters to the query heads, as a share of all blocks.
    ///
    /// # Shapes
    /// - `out`: `[n_blocks]`
    pub(crate) fn judge(&self, by: Importance, scratch: &mut AttendScratch, out: &mut [f32]) {
        out.fill(0.0);
        match by {
            Importance::Observed => self.add_observed(scratch, out),
            Importance::Expected => {
                // Taken out, so that the rest of the scratch can be used beside it.
                let mut own = std::mem::take(&mut scratch.importance);
                self.add_expected(&mut own, scratch, out);
                scratch.importance = own;
            }
        }
    }

    fn n_heads(&self) -> usize {
        self.attend.params.n_heads_per_kv()
    }

    /// The token, of the observed ones, and the query head of a row.
    fn row(&self, row_idx: usize) -> (usize, usize) {
        let n_heads = self.n_heads();
        (row_idx / n_heads, self.kv_head_idx * n_heads + row_idx % n_heads)
    }

    /// The weights that the queries gave to the keys.
    fn add_observed(&self, scratch: &mut AttendScratch, out: &mut [f32]) {
        let (ctx, kv) = (self.attend, &self.kv);
        let n_tile_rows = ctx.params.n_tile_rows();
        for first_row in (0..N_OBSERVED * self.n_heads()).step_by(n_tile_rows) {
            let rows = first_row..(first_row + n_tile_rows).min(N_OBSERVED * self.n_heads());
            let queries = rows.clone().map(|row_idx| {
                let (token_idx, head_idx) = self.row(row_idx);
                self.observed.q.head(token_idx, head_idx)
            });
            scratch.take_queries(ctx, queries, kv.key_form());
            for (block_idx, out) in out.iter_mut().enumerate() {
                let at = (kv, self.kv_head_idx, block_idx);
                let scores = scratch.scores_of(ctx, rows.len(), at);
                for (row_idx, scores) in rows.clone().zip(scores.chunks_exact_mut(KEY_BLOCK)) {
                    let (token_idx, head_idx) = self.row(row_idx);
                    let pos = kv.positions()[self.observed.keys.start + token_idx];
                    let keys = &kv.positions()[block_idx * KEY_BLOCK..];
                    ctx.terms.position_bias.add((head_idx, pos), keys, scores);
                    hide(scores, &kv.visible(ctx.pattern, pos), block_idx);
                    let (max, _, sum) = (ctx.kernels.online_softmax)(scores, f32::NEG_INFINITY);
                    let n_heads = ctx.params.n_heads;
                    let log_sum_exp = self.observed.log_sum_exp[token_idx * n_heads + head_idx];
                    *out += sum * (max - log_sum_exp).exp();
                }
            }
        }
    }

    /// Where the queries of a head were normal, the mean of `exp(score)` of those to come would be
    /// `exp(mean + variance / 2)` of their scores; these are taken from the observed queries,
    /// moved on to positions to come. Times the length of the value (Devoto et al. 2025).
    fn add_expected(
        &self,
        own: &mut ImportanceScratch,
        scratch: &mut AttendScratch,
        out: &mut [f32],
    ) {
        let (ctx, kv, n_keys) = (self.attend, &self.kv, self.kv.n_keys());
        self.move_queries(own);
        self.add_scores(own, scratch);
        own.lengths.resize(out.len() * KEY_BLOCK, 0.0);
        for (block_idx, lengths) in own.lengths.chunks_exact_mut(KEY_BLOCK).enumerate() {
            scratch.value_lengths(ctx, (kv, self.kv_head_idx, block_idx), lengths);
        }
        let rows = own.sums.chunks_exact_mut(n_keys).zip(own.squares.chunks_exact(n_keys));
        for (sums, squares) in rows {
            for (sum, square) in sums.iter_mut().zip(squares) {
                let mean = *sum / N_OBSERVED as f32;
                let variance = square / N_OBSERVED as f32 - mean * mean;
                *sum = mean + variance.max(0.0) / 2.0;
            }
            (ctx.kernels.online_softmax)(sums, f32::NEG_INFINITY);
            for (weight, length) in sums.iter_mut().zip(&own.lengths) {
                *weight *= length;
            }
            let total: f32 = sums.iter().sum();
            for (out, weights) in out.iter_mut().zip(sums.chunks(KEY_BLOCK)) {
                *out += weights.iter().sum::<f32>() / total;
            }
        }
    }

    /// Fills `moved`: observed query `i` of `N_OBSERVED` as if it came `i / N_OBSERVED` of
    /// [`N_EXPECTED`] tokens behind the last one.
    fn move_queries(&self, own: &mut ImportanceScratch) {
        let (motion, d) = (&self.motion, self.attend.params.head_dim);
        let n_pairs = motion.rope.n_pairs();
        own.moved.clear();
        own.cos.resize(n_pairs, 0.0);
        own.sin.resize(n_pairs, 0.0);
        for row_idx in 0..N_OBSERVED * self.n_heads() {
            let (token_idx, head_idx) = self.row(row_idx);
            let n_on = N_OBSERVED - token_idx + token_idx * N_EXPECTED / N_OBSERVED;
            motion.rope.fill_at(n_on as f64, &mut own.cos, &mut own.sin);
            own.moved.extend_from_slice(self.observed.q.head(token_idx, head_idx));
            motion.turn(&mut own.moved[row_idx * d..], &own.cos, &own.sin);
        }
    }

    /// Fills `sums` and `squares` with those of the scores of each key.
    fn add_scores(&self, own: &mut ImportanceScratch, scratch: &mut AttendScratch) {
        let (ctx, kv, n_keys) = (self.attend, &self.kv, self.kv.n_keys());
        let (n_tile_rows, d) = (ctx.params.n_tile_rows(), ctx.params.head_dim);
        for sums in [&mut own.sums, &mut own.squares] {
            sums.clear();
            sums.resize(self.n_heads() * n_keys, 0.0);
        }
        let last_pos = kv.positions()[n_keys - 1];
        for (tile_idx, tile) in own.moved.chunks(n_tile_rows * d).enumerate() {
            scratch.take_queries(ctx, tile.chunks_exact(d), kv.key_form());
            for block_idx in 0..n_keys.div_ceil(KEY_BLOCK) {
                let at = (kv, self.kv_head_idx, block_idx);
                let keys = block_idx * KEY_BLOCK..((block_idx + 1) * KEY_BLOCK).min(n_keys);
                let scores = scratch.scores_of(ctx, tile.len() / d, at);
                for (i, scores) in scores.chunks_exact_mut(KEY_BLOCK).enumerate() {
                    let (_, head_idx) = self.row(tile_idx * n_tile_rows + i);
                    let key_positions = &kv.positions()[keys.clone()];
                    ctx.terms.position_bias.add((head_idx, last_pos), key_positions, scores);
                    let first = head_idx % self.n_heads() * n_keys;
                    let sums = &mut own.sums[first..][keys.clone()];
                    let squares = &mut own.squares[first..][keys.clone()];
                    for ((sum, square), score) in sums.iter_mut().zip(squares).zip(&*scores) {
                        *sum += score;
                        *square += score * score;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Case;
    use super::super::{AttentionParams, AttentionPattern, RopeTable};
    use super::*;
    use crate::kv::ValuePlace;
    use crate::rope_config::RopeConfig;
    use crate::shape::Heads;
    use crate::spec::RopePairing;

    const N: usize = 300;
    const N_HEADS: usize = 4;
    const N_KV_HEADS: usize = 2;
    const D: usize = 16;
    const SCALE: f64 = 0.4;
    const BASE: f64 = 100.0;

    /// The formulas in f64.
    struct Formulas {
        q: Vec<f32>,
        keys: Vec<f32>,
        values: Vec<f32>,
    }

    fn head(x: &[f32], n_heads: usize, token: usize, head: usize) -> Vec<f64> {
        x[(token * n_heads + head) * D..][..D].iter().map(|&x| f64::from(x)).collect()
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    fn moved(q: &[f64], distance: usize) -> Vec<f64> {
        let mut moved = q.to_vec();
        for i in 0..D / 2 {
            let angle = distance as f64 * BASE.powf(-2.0 * i as f64 / D as f64);
            let (sin, cos) = angle.sin_cos();
            moved[i] = q[i] * cos - q[i + D / 2] * sin;
            moved[i + D / 2] = q[i] * sin + q[i + D / 2] * cos;
        }
        moved
    }

    impl Formulas {
        fn score(&self, q: &[f64], kv_head: usize, key: usize) -> f64 {
            SCALE * dot(q, &head(&self.keys, N_KV_HEADS, key, kv_head))
        }

        /// The weight that the last tokens gave to the block.
        fn observed(&self, kv_head: usize, block: usize) -> f64 {
            let of_row = |(token, h): (usize, usize)| {
                let q = head(&self.q, N_HEADS, token, 2 * kv_head + h);
                let weights: Vec<f64> =
                    (0..=token).map(|key| self.score(&q, kv_head, key).exp()).collect();
                let in_block = weights.chunks(KEY_BLOCK).nth(block);
                in_block
                    .map_or(0.0, |block| block.iter().sum::<f64>() / weights.iter().sum::<f64>())
            };
            (N - N_OBSERVED..N).flat_map(|token| [(token, 0), (token, 1)]).map(of_row).sum()
        }

        /// The mean of `exp(score)` of normal queries, times the length of the value.
        fn expected(&self, kv_head: usize, block: usize) -> f64 {
            let of_key = |h: usize, key: usize| {
                let scores = (0..N_OBSERVED).map(|i| {
                    let q = head(&self.q, N_HEADS, N - N_OBSERVED + i, 2 * kv_head + h);
                    let n_on = N_OBSERVED - i + i * N_EXPECTED / N_OBSERVED;
                    self.score(&moved(&q, n_on), kv_head, key)
                });
                let mean = scores.clone().sum::<f64>() / N_OBSERVED as f64;
                let squares: f64 = scores.map(|score| (score - mean).powi(2)).sum();
                let value = head(&self.values, N_KV_HEADS, key, kv_head);
                (mean + squares / N_OBSERVED as f64 / 2.0).exp() * dot(&value, &value).sqrt()
            };
            let of_head = |h: usize| {
                let all: Vec<f64> = (0..N).map(|key| of_key(h, key)).collect();
                let in_block = all.chunks(KEY_BLOCK).nth(block).expect("a block");
                in_block.iter().sum::<f64>() / all.iter().sum::<f64>()
            };
            of_head(0) + of_head(1)
        }
    }

    #[test]
    fn blocks_matter_as_the_formulas_say() {
        let params = AttentionParams {
            n_heads: N_HEADS,
            n_kv_heads: N_KV_HEADS,
            head_dim: D,
            scale: SCALE as f32,
            softcap: None,
            values: ValuePlace::Own,
        };
        let case = Case::new(params, AttentionPattern::Causal, N);
        let (q, (keys, values)) = (case.q(), case.kv());
        let formulas = Formulas { q, keys, values };
        let config = RopeConfig::new(D, BASE);
        let (rope, kernels) = (&RopeTable::new(&config, 1), kernels::detect());
        case.run_and_show(kernels, N, 1, |kv, id, _, log_sum_exp| {
            let first = N - N_OBSERVED;
            for kv_head_idx in 0..N_KV_HEADS {
                let q = Heads::new(&formulas.q[first * N_HEADS * D..], N_HEADS, D);
                let log_sum_exp = &log_sum_exp[first * N_HEADS..];
                let pairing = RopePairing::HalfSplit;
                let judge = Judge {
                    attend: &case.ctx(kernels),
                    observed: ObservedQueries { q, log_sum_exp, keys: first..N },
                    kv: kv.view(0, id),
                    kv_head_idx,
                    motion: KeyMotion { kernels, rope, pairing, is_spread: false, first_value: 0 },
                };
                for by in [Importance::Observed, Importance::Expected] {
                    let mut found = [0.0; N.div_ceil(KEY_BLOCK)];
                    judge.judge(by, &mut AttendScratch::new(&params), &mut found);
                    for (block, found) in found.into_iter().enumerate() {
                        let expected = match by {
                            Importance::Observed => formulas.observed(kv_head_idx, block),
                            Importance::Expected => formulas.expected(kv_head_idx, block),
                        };
                        let error = (f64::from(found) - expected).abs();
                        assert!(error <= 1e-4 * expected, "{by:?}, {block}: {found}, {expected}");
                    }
                }
            }
        });
    }
}
