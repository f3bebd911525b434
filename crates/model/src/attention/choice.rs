//! Which blocks a query looks at, where a policy lets it look at few.

use kernels::{KEY_BLOCK, Kernels};

use crate::kv::{KvView, N_BOUNDS};

/// One bit a block.
pub(super) fn is_chosen(bits: &[u64], block_idx: usize) -> bool {
    bits[block_idx / 64] >> (block_idx % 64) & 1 == 1
}

/// One thread's buffers.
#[derive(Default)]
pub(super) struct ChoiceScratch {
    /// `[2, n_rows, head_dim]`: the negative and the positive part of each query
    parts: Vec<f32>,
    /// `[n_rows, KEY_BLOCK]`
    scores: Vec<f32>,
    spare: Vec<f32>,
    /// `[n_rows, n_blocks]`: the greatest score that a key of a block may have
    bounds: Vec<f32>,
    /// Weight that a block would have if its keys had it, rows added up; and the block.
    blocks: Vec<(f32, u32)>,
}

impl ChoiceScratch {
    /// Chooses the own block of the queries of one token, the first one, and `n_blocks` of those
    /// between.
    ///
    /// # Shapes
    /// - `q`: `[n_rows, head_dim]`, the query heads of one kv head
    /// - `bits`: one for each block up to the own one
    pub(super) fn choose(
        &mut self,
        kernels: &Kernels,
        (kv, kv_head_idx): (&KvView<'_>, usize),
        (q, head_dim): (&[f32], usize),
        (n_blocks, own_idx): (usize, usize),
        bits: &mut [u64],
    ) {
        bits.fill(0);
        let mut choose = |block_idx: usize| bits[block_idx / 64] |= 1 << (block_idx % 64);
        choose(0);
        choose(own_idx);
        let between = 1..own_idx.max(1);
        if between.len() <= n_blocks {
            return between.for_each(choose);
        }
        let n_rows = q.len() / head_dim;
        self.parts.clear();
        self.parts.extend(q.iter().map(|q| q.min(0.0)));
        self.parts.extend(q.iter().map(|q| q.max(0.0)));
        self.scores.resize(n_rows * KEY_BLOCK, 0.0);
        self.spare.resize(n_rows * KEY_BLOCK, 0.0);
        self.bounds.clear();
        self.bounds.resize(n_rows * own_idx, 0.0);
        for idx in 0..(own_idx * N_BOUNDS).div_ceil(KEY_BLOCK) {
            let scores = (&mut *self.scores, &mut *self.spare);
            kv.score_blocks(kernels, (idx, kv_head_idx), (&self.parts, head_dim), scores);
            // Bounds beyond the own block hold nothing yet, or what this query must not see.
            let first = idx * KEY_BLOCK / N_BOUNDS;
            let n = (KEY_BLOCK / N_BOUNDS).min(own_idx - first);
            let rows = self.bounds.chunks_exact_mut(own_idx);
            for (row, scores) in rows.zip(self.scores.chunks_exact(KEY_BLOCK)) {
                let of_blocks = scores.chunks_exact(N_BOUNDS);
                for (bound, scores) in row[first..first + n].iter_mut().zip(of_blocks) {
                    *bound = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                }
            }
        }
        self.blocks.clear();
        self.blocks.extend(between.map(|block_idx| (0.0, block_idx as u32)));
        for row in self.bounds.chunks_exact_mut(own_idx) {
            let (_, _, sum) = (kernels.online_softmax)(row, f32::NEG_INFINITY);
            for (mass, block_idx) in &mut self.blocks {
                *mass += row[*block_idx as usize] / sum;
            }
        }
        // The greatest first; of equal ones the first of the text.
        let by_score = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        self.blocks.select_nth_unstable_by(n_blocks, by_score);
        self.blocks[..n_blocks].iter().for_each(|&(_, block_idx)| choose(block_idx as usize));
    }
}
