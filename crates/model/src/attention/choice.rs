//! Which blocks a query looks at, where a policy lets it look at few.

use kernels::{KEY_BLOCK, Kernels};

use crate::kv::KvView;

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
    /// The greatest score that a key of a block may have for any row, and the block.
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
        self.blocks.clear();
        for idx in 0..own_idx.div_ceil(KEY_BLOCK) {
            let scores = (&mut *self.scores, &mut *self.spare);
            kv.score_blocks(kernels, (idx, kv_head_idx), (&self.parts, head_dim), scores);
            for column in 0..KEY_BLOCK {
                let of_rows = self.scores.iter().skip(column).step_by(KEY_BLOCK);
                let greatest = of_rows.copied().fold(f32::NEG_INFINITY, f32::max);
                self.blocks.push((greatest, (idx * KEY_BLOCK + column) as u32));
            }
        }
        // Columns beyond the own block hold nothing yet, or what this query must not see.
        self.blocks.retain(|&(_, block_idx)| between.contains(&(block_idx as usize)));
        // The greatest first; of equal ones the first of the text.
        let by_score = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        self.blocks.select_nth_unstable_by(n_blocks, by_score);
        self.blocks[..n_blocks].iter().for_each(|&(_, block_idx)| choose(block_idx as usize));
    }
}
