//! What online softmax tells of each row on the way, for those who watch.
//!
//! The sums of each block are kept until the row's `log_sum_exp` is known; then each is scaled by
//! `exp(max - log_sum_exp)`, where `max` is what its weights were relative to. Nothing is computed
//! twice, and no sum is rescaled on the way.

use kernels::{KEY_BLOCK, Kernels};

use crate::kv::KvView;
use crate::probe::{N_LOCAL, RowStats};

/// One thread's room for what the rows of a tile told.
#[derive(Default)]
pub(super) struct WatchScratch {
    /// Blocks of the longest text; zero: nobody watches.
    n_blocks: usize,
    /// `[n_rows, n_blocks]`
    blocks: Vec<BlockSums>,
    /// `[n_rows]`
    rows: Vec<RowSums>,
    /// `[n_blocks]`
    scales: Vec<f32>,
    /// `[n_blocks]`: position of the first key of each block of the tile's text
    firsts: Vec<f32>,
}

/// Of one row in one block: see [`kernels::Moments`].
#[derive(Clone, Copy)]
struct BlockSums {
    /// What the weights are relative to.
    max: f32,
    sum: f32,
    centred: f32,
    places: f32,
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

/// Finite, so that a difference from it is a number; its weight is zero.
const NOT_LOOKED_AT: BlockSums = BlockSums { max: f32::MIN, sum: 0.0, centred: 0.0, places: 0.0 };

impl WatchScratch {
    /// Begins a tile. `n_blocks`: of the longest text, or zero if nobody watches.
    pub(super) fn start(&mut self, n_blocks: usize, n_rows: usize, kv: &KvView<'_>) {
        self.n_blocks = n_blocks;
        self.rows.clear();
        if n_blocks == 0 {
            return;
        }
        self.blocks.clear();
        self.blocks.resize(n_rows * n_blocks, NOT_LOOKED_AT);
        self.scales.resize(n_blocks, 0.0);
        self.firsts.clear();
        self.firsts.extend(kv.positions().iter().step_by(KEY_BLOCK).map(|&pos| pos as f32));
    }

    /// Begins the next row of the tile.
    pub(super) fn start_row(&mut self, kv: &KvView<'_>, query_pos: u32) {
        if self.n_blocks == 0 {
            return;
        }
        let end = kv.positions().partition_point(|&pos| pos <= query_pos);
        let first = end.saturating_sub(N_LOCAL);
        self.rows.push(RowSums {
            query_pos,
            first_score: f32::NEG_INFINITY,
            local: (first, end),
            local_block: first / KEY_BLOCK,
            local_sums: [(f32::MIN, 0.0); 2],
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
        let kernels::Moments { sum, centred, places } = moments;
        let relative_to = max.max(f32::MIN);
        let sums = BlockSums { max: relative_to, sum, centred, places };
        self.blocks[row_idx * self.n_blocks + block_idx] = sums;
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

    /// What a row told, once its `log_sum_exp` is known; adds what its blocks weigh to `masses`:
    /// `[n_blocks]`.
    pub(super) fn finish_row(
        &mut self,
        kernels: &Kernels,
        row_idx: usize,
        (log_sum_exp, sink_logit): (f32, Option<f32>),
        masses: &mut [f32],
    ) -> RowStats {
        let mut stats = RowStats { log_sum_exp, ..RowStats::default() };
        if log_sum_exp == f32::NEG_INFINITY {
            return stats;
        }
        let row = &self.rows[row_idx];
        let blocks = &self.blocks[row_idx * self.n_blocks..][..self.n_blocks];
        for (scale, block) in self.scales.iter_mut().zip(blocks) {
            *scale = block.max;
        }
        // The factor is one, or nearly so where rounding left a maximum above the sum.
        let (_, factor, _) = (kernels.online_softmax)(&mut self.scales, log_sum_exp);
        let inverse = 1.0 / factor;
        let query_pos = row.query_pos as f32;
        let mut total = 0.0;
        for ((block, scale), first_pos) in blocks.iter().zip(&mut self.scales).zip(&self.firsts) {
            let factor = *scale * inverse;
            let weight = block.sum * factor;
            total += weight;
            stats.entropy -= block.centred * factor + (block.max - log_sum_exp) * weight;
            stats.distance += weight * (query_pos - first_pos) - block.places * factor;
            *scale = weight;
        }
        stats.distance /= total;
        // What rounding the logarithm has made of one: see `attention_weights`.
        let all = total + sink_logit.map_or(0.0, |logit| (logit - log_sum_exp).exp());
        let norm = 1.0 / all;
        for (mass, weight) in masses.iter_mut().zip(&self.scales) {
            *mass += weight * norm;
        }
        stats.entropy = norm * (stats.entropy + total * all.ln());
        let local = row.local_sums.iter().map(|(max, sum)| sum * (max - log_sum_exp).exp());
        stats.local = norm * local.sum::<f32>();
        stats.first = norm * (row.first_score - log_sum_exp).exp();
        stats
    }
}
