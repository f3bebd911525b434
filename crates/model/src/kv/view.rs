//! What attention sees of a cache: one sequence in one layer.

use std::ops::Range;

use kernels::Kernels;

use super::block_pool::BlockId;
use super::plane::Plane;
use crate::attention::AttentionPattern;

/// Keys and values of one sequence in one layer, each with the position it was computed for.
#[derive(Clone, Copy)]
pub struct KvView<'a> {
    pub(super) keys: &'a Plane,
    pub(super) values: &'a Plane,
    /// Block `i` holds keys `64 i..64 i + 64`; `None` where no query to come sees it.
    pub(super) blocks: &'a [Option<BlockId>],
    /// `[n_keys]`, ascending
    pub(super) positions: &'a [u32],
}

impl<'a> KvView<'a> {
    pub fn n_keys(&self) -> usize {
        self.positions.len()
    }

    pub fn positions(&self) -> &'a [u32] {
        self.positions
    }

    /// Indices of the keys that a query sees. Positions ascend, so they are one range, also where
    /// keys were evicted.
    pub fn visible(&self, pattern: AttentionPattern, query_pos: u32) -> Range<usize> {
        let range = pattern.key_range(query_pos);
        let start = self.positions.partition_point(|&pos| pos < range.start);
        let end = self.positions.partition_point(|&pos| pos < range.end);
        start..end
    }

    fn block(&self, block_idx: usize) -> BlockId {
        self.blocks[block_idx].expect("a block that a query sees is held")
    }

    /// Keys of one block as `[head_dim, KEY_BLOCK]`; cells beyond `n_keys` hold no key.
    pub fn keys<'b>(
        &self,
        kernels: &Kernels,
        kv_head_idx: usize,
        block_idx: usize,
        out: &'b mut [f32],
    ) -> &'b [f32]
    where
        'a: 'b,
    {
        self.keys.read(kernels, self.block(block_idx), kv_head_idx, out)
    }

    /// Values of one block as `[KEY_BLOCK, head_dim]`.
    pub fn values<'b>(
        &self,
        kernels: &Kernels,
        kv_head_idx: usize,
        block_idx: usize,
        out: &'b mut [f32],
    ) -> &'b [f32]
    where
        'a: 'b,
    {
        self.values.read(kernels, self.block(block_idx), kv_head_idx, out)
    }
}
