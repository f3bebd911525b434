//! The smallest and the largest of every 16 keys, by dimension: none of them has a greater score
//! than `sum_i max(q_i min_i, q_i max_i)` (Quest, Tang et al. 2024).

use kernels::{CellBlock, Cells, KEY_BLOCK, Kernels};

use super::block_pool::BlockId;
use super::cache::KvCache;
use super::keys::KeyPlane;
use super::sequences::SequenceId;

/// Keys that have their bounds in common, as in Quest: of more they would promise too much.
const N_TOGETHER: usize = 16;
/// Bounds of a block.
pub(crate) const N_BOUNDS: usize = KEY_BLOCK / N_TOGETHER;

/// Of one sequence in one layer. 64 bounds, those of 16 blocks, lie as 64 keys do, `[head_dim,
/// KEY_BLOCK]`, so that one product scores them all.
#[derive(Clone, Default)]
pub(super) struct KeyBounds {
    /// Whole blocks whose bounds are there.
    n_blocks: usize,
    /// `[n_blocks * N_BOUNDS / KEY_BLOCK, n_kv_heads, 2, head_dim, KEY_BLOCK]`: the smallest, the
    /// largest
    cells: Vec<f32>,
}

/// Cells of 64 bounds.
fn n_cells(n_kv_heads: usize, head_dim: usize) -> usize {
    n_kv_heads * 2 * head_dim * KEY_BLOCK
}

/// Bytes of the bounds of a text in one layer.
pub(super) fn n_bytes(n_positions: usize, (n_kv_heads, head_dim): (usize, usize)) -> usize {
    let n = (n_positions.div_ceil(KEY_BLOCK) * N_BOUNDS).div_ceil(KEY_BLOCK);
    n.saturating_mul(n_cells(n_kv_heads, head_dim) * size_of::<f32>())
}

impl KeyBounds {
    pub(super) fn n_blocks(&self) -> usize {
        self.n_blocks
    }

    /// Makes room for the bounds of a text.
    pub(super) fn reserve(&mut self, n_positions: usize, heads: (usize, usize)) {
        let n = n_bytes(n_positions, heads) / size_of::<f32>();
        self.cells.resize(n.max(self.cells.len()), 0.0);
    }

    pub(super) fn n_bytes(&self) -> usize {
        self.cells.len() * size_of::<f32>()
    }

    /// Forgets blocks that are not whole any more.
    pub(super) fn truncate(&mut self, n_blocks: usize) {
        self.n_blocks = self.n_blocks.min(n_blocks);
    }

    /// Adds the next block; `head`: room for one, `[head_dim]`.
    pub(super) fn push(&mut self, keys: &KeyPlane, block: BlockId, head: &mut [f32]) {
        let (n_kv_heads, d) = (keys.n_kv_heads(), head.len());
        let first_column = self.n_blocks * N_BOUNDS % KEY_BLOCK;
        let first = self.n_blocks * N_BOUNDS / KEY_BLOCK * n_cells(n_kv_heads, d);
        for head_idx in 0..n_kv_heads {
            let cells = &mut self.cells[first + head_idx * n_cells(1, d)..][..n_cells(1, d)];
            let (lowest, highest) = cells.split_at_mut(d * KEY_BLOCK);
            for slot in 0..KEY_BLOCK {
                keys.widen(block, slot, head_idx, head);
                let column = first_column + slot / N_TOGETHER;
                for (i, &x) in head.iter().enumerate() {
                    let (low, high) =
                        (&mut lowest[i * KEY_BLOCK + column], &mut highest[i * KEY_BLOCK + column]);
                    (*low, *high) =
                        if slot % N_TOGETHER == 0 { (x, x) } else { (low.min(x), high.max(x)) };
                }
            }
        }
        self.n_blocks += 1;
    }

    /// Finds the greatest scores that keys may have, bound after bound.
    ///
    /// # Shapes
    /// - `queries`: `[2, n_rows, head_dim]`, the negative and the positive part
    /// - `scores`, `spare`: `[n_rows, KEY_BLOCK]`, of the bounds from `64 idx` on
    pub(super) fn score(
        &self,
        kernels: &Kernels,
        (idx, kv_head_idx, n_kv_heads): (usize, usize, usize),
        (queries, head_dim): (&[f32], usize),
        (scores, spare): (&mut [f32], &mut [f32]),
    ) {
        let first = idx * n_cells(n_kv_heads, head_dim) + kv_head_idx * n_cells(1, head_dim);
        let cells = &self.cells[first..][..n_cells(1, head_dim)];
        let [lowest, highest] = [&cells[..cells.len() / 2], &cells[cells.len() / 2..]];
        let (negative, positive) = queries.split_at(queries.len() / 2);
        let block = |cells| CellBlock { cells: Cells::F32(cells), next: &[] };
        (kernels.attention_scores)(negative, block(lowest), head_dim, scores);
        (kernels.attention_scores)(positive, block(highest), head_dim, spare);
        (kernels.add)(scores, spare);
    }
}

impl KvCache {
    /// Finds the bounds of blocks that have become whole, once their sequence looks at few;
    /// `head`: room for one.
    pub(super) fn bound_blocks(&mut self, layer_idx: usize, id: SequenceId, head: &mut [f32]) {
        let sequence = self.sequences.get_mut(id);
        let is_late =
            |&(_, from): &(usize, u32)| sequence.positions.last().is_some_and(|&last| last >= from);
        if sequence.policy.few().filter(is_late).is_none()
            || self.shape.layers[layer_idx].window.is_some()
        {
            return;
        }
        let layer = &self.store.layers[layer_idx];
        let table = &sequence.tables[layer.group_idx];
        let bounds = &mut sequence.bounds[layer_idx];
        for block in &table[bounds.n_blocks()..sequence.positions.len() / KEY_BLOCK] {
            let block = block.expect("a layer without a window holds all blocks");
            bounds.push(&layer.keys, block, head);
        }
    }
}
