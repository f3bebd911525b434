//! What online softmax tells of each row on the way, for those who watch.
//!
//! The sums of each block are kept until the row's `log_sum_exp` is known; then each is scaled by
//! `exp(max - log_sum_exp)`, where `max` is what its weights were relative to. Nothing is computed
//! twice, and no sum is rescaled on the way. The rows of a tile lie side by side, as they come.

use kernels::{KEY_BLOCK, Kernels, Moments};

use crate::kv::KvView;
use crate::probe::{N_LOCAL, RowStats};

/// One thread's room for what the rows of a tile told.
#[derive(Default)]
pub(super) struct WatchScratch {
    /// Blocks of the longest text; zero: nobody watches.
    n_blocks: usize,
    n_rows: usize,
    blocks: BlockSums,
    /// `[n_rows]`
    rows: Vec<RowSums>,
    totals: RowTotals,
    /// `[n_blocks]`: position of the first key of each block of the tile's text
    firsts: Vec<f32>,
}

/// See [`Moments`]. Each `[n_blocks, n_rows]`, and on to a whole number of [`KEY_BLOCK`], for which
/// there are faster kernels.
#[derive(Default)]
struct BlockSums {
    /// What the weights are relative to.
    max: Vec<f32>,
    sum: Vec<f32>,
    centred: Vec<f32>,
    places: Vec<f32>,
    /// What the sums are to be multiplied by; then what the blocks weigh.
    scale: Vec<f32>,
}

/// Of one row.
#[derive(Clone, Copy)]
struct RowSums {
    query_pos: u32,
    /// The score of the text's first key.
    first_score: f32,
    /// Indices of the keys that are near, and the block that the first of them lies in.
    local: (usize, usize),
    local_block: usize,
    /// Sums of near keys in up to two blocks, each relative to the maximum beside it.
    local_sums: [(f32, f32); 2],
}

/// Over the blocks of each row. Each `[n_rows]`.
#[derive(Default)]
struct RowTotals {
    query_pos: Vec<f32>,
    log_sum_exp: Vec<f32>,
    sink_logit: Vec<Option<f32>>,
    weight: Vec<f32>,
    entropy: Vec<f32>,
    distance: Vec<f32>,
    /// What makes its weights add up to one.
    norm: Vec<f32>,
}

/// The maximum of a block that was not looked at. Finite, so that a difference from it is a number;
/// its weight is zero.
const NOT_LOOKED_AT: f32 = f32::MIN;

impl BlockSums {
    fn clear(&mut self, n: usize) {
        let n = n.next_multiple_of(KEY_BLOCK);
        self.max.clear();
        self.max.resize(n, NOT_LOOKED_AT);
        for sums in [&mut self.sum, &mut self.centred, &mut self.places, &mut self.scale] {
            sums.clear();
            sums.resize(n, 0.0);
        }
    }
}

impl WatchScratch {
    /// Begins a tile. `n_blocks`: of the longest text, or zero if nobody watches.
    pub(super) fn start(&mut self, n_blocks: usize, n_rows: usize, kv: &KvView<'_>) {
        (self.n_blocks, self.n_rows) = (n_blocks, n_rows);
        self.rows.clear();
        if n_blocks == 0 {
            return;
        }
        self.blocks.clear(n_rows * n_blocks);
        self.firsts.clear();
        self.firsts.extend(kv.positions().iter().step_by(KEY_BLOCK).map(|&pos| pos as f32));
    }

    /// Begins the next row of the tile.
    pub(super) fn start_row(&mut self, kv: &KvView<'_>, query_pos: u32) {
        if self.n_blocks == 0 {
            return;
        }
        let positions = kv.positions();
        // Tokens of a tile come in the order of their places.
        let end = match self.rows.last().filter(|row| row.query_pos <= query_pos) {
            Some(RowSums { local: (_, end), .. }) => {
                end + positions[*end..].iter().take_while(|&&pos| pos <= query_pos).count()
            }
            None => positions.partition_point(|&pos| pos <= query_pos),
        };
        let first = end.saturating_sub(N_LOCAL);
        self.rows.push(RowSums {
            query_pos,
            first_score: f32::NEG_INFINITY,
            local: (first, end),
            local_block: first / KEY_BLOCK,
            local_sums: [(NOT_LOOKED_AT, 0.0); 2],
        });
    }

    /// A step of online softmax: see [`Kernels::online_softmax`].
    pub(super) fn softmax(
        &mut self,
        kernels: &Kernels,
        (row_idx, block_idx): (usize, usize),
        scores: &mut [f32],
        max: f32,
    ) -> (f32, f32, f32) {
        if self.n_blocks == 0 {
            return (kernels.online_softmax)(scores, max);
        }
        let row = &mut self.rows[row_idx];
        if block_idx == 0 {
            row.first_score = scores[0];
        }
        let (max, factor, moments) = (kernels.online_softmax_moments)(scores, max);
        let relative_to = max.max(NOT_LOOKED_AT);
        let Moments { sum, centred, places } = moments;
        let at = block_idx * self.n_rows + row_idx;
        self.blocks.max[at] = relative_to;
        self.blocks.sum[at] = sum;
        self.blocks.centred[at] = centred;
        self.blocks.places[at] = places;
        if block_idx >= row.local_block {
            let first = block_idx * KEY_BLOCK;
            let place = |idx: usize| idx.clamp(first, first + KEY_BLOCK) - first;
            let near = place(row.local.0)..place(row.local.1);
            if !near.is_empty() {
                let sums = &mut row.local_sums[block_idx - row.local_block];
                *sums = (relative_to, scores[near].iter().sum());
            }
        }
        (max, factor, sum)
    }

    /// Ends a tile. `of_row`: the `log_sum_exp` of a row and the logit of its sink. Adds what
    /// blocks weigh to `masses` `[n_heads, n_blocks]`, those of row `r` to head `r % n_heads`.
    pub(super) fn finish(
        &mut self,
        kernels: &Kernels,
        mut of_row: impl FnMut(usize) -> (f32, Option<f32>),
        masses: &mut [f32],
    ) {
        self.totals.clear(self.rows.len());
        for (row_idx, row) in self.rows.iter().enumerate() {
            self.totals.query_pos[row_idx] = row.query_pos as f32;
            (self.totals.log_sum_exp[row_idx], self.totals.sink_logit[row_idx]) = of_row(row_idx);
        }
        self.blocks.scale(kernels, &self.totals.log_sum_exp);
        self.totals.add_up(&mut self.blocks, &self.firsts);
        for row_idx in 0..self.rows.len() {
            self.totals.finish(row_idx);
        }
        let n_heads = masses.len() / self.n_blocks;
        let weights = self.blocks.scale.chunks_exact_mut(self.n_rows).take(self.n_blocks);
        for (block_idx, weights) in weights.enumerate() {
            for (weight, norm) in weights.iter_mut().zip(&self.totals.norm) {
                *weight *= norm;
            }
            for head_idx in 0..n_heads {
                let of_head = weights[head_idx..].iter().step_by(n_heads);
                masses[head_idx * self.n_blocks + block_idx] += of_head.sum::<f32>();
            }
        }
    }

    /// What a row told, after [`Self::finish`].
    pub(super) fn stats(&self, row_idx: usize) -> RowStats {
        let (row, totals) = (&self.rows[row_idx], &self.totals);
        let (log_sum_exp, norm) = (totals.log_sum_exp[row_idx], totals.norm[row_idx]);
        if log_sum_exp == f32::NEG_INFINITY {
            return RowStats { log_sum_exp, ..RowStats::default() };
        }
        let local = row.local_sums.iter().map(|(max, sum)| sum * (max - log_sum_exp).exp());
        let local = norm * local.sum::<f32>();
        let first = norm * (row.first_score - log_sum_exp).exp();
        let (entropy, distance) = (totals.entropy[row_idx], totals.distance[row_idx]);
        RowStats { log_sum_exp, entropy, first, local, distance }
    }
}

impl BlockSums {
    fn scale(&mut self, kernels: &Kernels, log_sum_exps: &[f32]) {
        let n_rows = log_sum_exps.len();
        let by_block = self.scale.chunks_exact_mut(n_rows);
        for (scales, maxima) in by_block.zip(self.max.chunks_exact(n_rows)) {
            for ((scale, max), log_sum_exp) in scales.iter_mut().zip(maxima).zip(log_sum_exps) {
                // Of a row that sees nothing all sums are zero.
                *scale = max - log_sum_exp.max(NOT_LOOKED_AT);
            }
        }
        // No maximum is above its row's sum but by rounding: softmax from zero on is `exp`.
        for scales in self.scale.chunks_exact_mut(KEY_BLOCK) {
            let (_, factor, _) = (kernels.online_softmax)(scales, 0.0);
            if factor != 1.0 {
                scales.iter_mut().for_each(|scale| *scale /= factor);
            }
        }
    }
}

impl RowTotals {
    fn clear(&mut self, n_rows: usize) {
        self.sink_logit.clear();
        self.sink_logit.resize(n_rows, None);
        let Self { query_pos, log_sum_exp, weight, entropy, distance, norm, .. } = self;
        for numbers in [query_pos, log_sum_exp, weight, entropy, distance, norm] {
            numbers.clear();
            numbers.resize(n_rows, 0.0);
        }
    }

    /// Leaves what the blocks weigh where their scales were.
    fn add_up(&mut self, blocks: &mut BlockSums, firsts: &[f32]) {
        let n_rows = self.query_pos.len();
        let (log_sum_exp, query_pos) = (&self.log_sum_exp[..n_rows], &self.query_pos[..n_rows]);
        let (weights, entropy) = (&mut self.weight[..n_rows], &mut self.entropy[..n_rows]);
        let distance = &mut self.distance[..n_rows];
        for (block_idx, &first_pos) in firsts.iter().enumerate() {
            let block = block_idx * n_rows..(block_idx + 1) * n_rows;
            let (max, sum) = (&blocks.max[block.clone()], &blocks.sum[block.clone()]);
            let (centred, places) = (&blocks.centred[block.clone()], &blocks.places[block.clone()]);
            let scale = &mut blocks.scale[block];
            for i in 0..n_rows {
                let weight = sum[i] * scale[i];
                weights[i] += weight;
                entropy[i] -= centred[i] * scale[i] + (max[i] - log_sum_exp[i]) * weight;
                distance[i] += weight * (query_pos[i] - first_pos) - places[i] * scale[i];
                scale[i] = weight;
            }
        }
    }

    /// Makes means of the sums of a row.
    fn finish(&mut self, row_idx: usize) {
        let (log_sum_exp, weight) = (self.log_sum_exp[row_idx], self.weight[row_idx]);
        if log_sum_exp == f32::NEG_INFINITY {
            return;
        }
        self.distance[row_idx] /= weight;
        // What rounding the logarithm has made of one: see `attention_weights`.
        let sink_logit = self.sink_logit[row_idx];
        let all = weight + sink_logit.map_or(0.0, |logit| (logit - log_sum_exp).exp());
        let norm = 1.0 / all;
        self.norm[row_idx] = norm;
        self.entropy[row_idx] = norm * (self.entropy[row_idx] + weight * all.ln());
    }
}
