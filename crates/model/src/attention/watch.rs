//! What online softmax tells of each row on the way, for those who watch.
//!
//! The sums of each block are kept until the row's `log_sum_exp` is known; then each is scaled by
//! `exp(max - log_sum_exp)`, where `max` is what its weights were relative to. Nothing is computed
//! twice, and no sum is rescaled on the way.

use kernels::{KEY_BLOCK, Kernels, Moments};

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
}

/// Of one row in one block.
#[derive(Clone, Copy)]
struct BlockSums {
    /// What the weights are relative to.
    max: f32,
    moments: Moments,
}

/// Of one row.
#[derive(Clone, Copy)]
struct RowSums {
    /// The score of the text's first key.
    first_score: f32,
    /// Indices of the keys that are near.
    local: (usize, usize),
    /// Sums of near keys in up to two blocks, each relative to the maximum beside it.
    local_sums: [(f32, f32); 2],
}

/// Finite, so that a difference from it is a number; its weight is zero.
const NOT_LOOKED_AT: BlockSums = BlockSums {
    max: f32::MIN,
    moments: Moments { sum: 0.0, centred: 0.0, squares: 0.0, places: 0.0 },
};

impl WatchScratch {
    /// Begins a tile. `n_blocks`: of the longest text, or zero if nobody watches.
    pub(super) fn start(&mut self, n_blocks: usize, n_rows: usize) {
        self.n_blocks = n_blocks;
        self.blocks.clear();
        self.blocks.resize(n_rows * n_blocks, NOT_LOOKED_AT);
        self.scales.resize(n_blocks, 0.0);
        self.rows.clear();
    }

    /// Begins the next row of the tile.
    pub(super) fn start_row(&mut self, kv: &KvView<'_>, query_pos: u32) {
        if self.n_blocks == 0 {
            return;
        }
        let end = kv.positions().partition_point(|&pos| pos <= query_pos);
        self.rows.push(RowSums {
            first_score: f32::NEG_INFINITY,
            local: (end.saturating_sub(N_LOCAL), end),
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
        let relative_to = max.max(f32::MIN);
        self.blocks[row_idx * self.n_blocks + block_idx] = BlockSums { max: relative_to, moments };
        let first = block_idx * KEY_BLOCK;
        let near =
            [row.local.0, row.local.1].map(|idx| idx.clamp(first, first + KEY_BLOCK) - first);
        if near[0] < near[1] {
            let place = usize::from(row.local.0 < first);
            row.local_sums[place] = (relative_to, scores[near[0]..near[1]].iter().sum());
        }
        (max, factor, moments.sum)
    }

    /// What a row told, once its `log_sum_exp` is known; adds what its blocks weigh to `masses`:
    /// `[n_blocks]`.
    pub(super) fn finish_row(
        &mut self,
        kernels: &Kernels,
        (kv, row_idx, query_pos): (&KvView<'_>, usize, u32),
        log_sum_exp: f32,
        masses: &mut [f32],
    ) -> RowStats {
        let mut stats = RowStats { log_sum_exp, ..RowStats::default() };
        if log_sum_exp == f32::NEG_INFINITY {
            return stats;
        }
        let blocks = &self.blocks[row_idx * self.n_blocks..][..self.n_blocks];
        for (scale, block) in self.scales.iter_mut().zip(blocks) {
            *scale = block.max;
        }
        // One over the factor is one, or nearly so where rounding left a maximum above the sum.
        let (_, factor, _) = (kernels.online_softmax)(&mut self.scales, log_sum_exp);
        let (mut total, mut distance) = (0.0, 0.0);
        let firsts = kv.positions().iter().step_by(KEY_BLOCK);
        let of_blocks = blocks.iter().zip(&self.scales).zip(masses.iter_mut().zip(firsts));
        for ((block, scale), (mass, &first_pos)) in of_blocks {
            let (BlockSums { max, moments }, scale) = (block, scale / factor);
            let weight = moments.sum * scale;
            *mass += weight;
            total += weight;
            stats.entropy -= (moments.centred + (max - log_sum_exp) * moments.sum) * scale;
            stats.squares += moments.squares * scale * scale;
            let to_first = f64::from(query_pos) - f64::from(first_pos);
            distance += f64::from(weight) * to_first - f64::from(moments.places * scale);
        }
        let row = &self.rows[row_idx];
        let local = row.local_sums.iter().map(|(max, sum)| sum * (max - log_sum_exp).exp());
        stats.local = local.sum();
        stats.first = (row.first_score - log_sum_exp).exp();
        stats.distance = (distance / f64::from(total)) as f32;
        stats
    }
}
