//! What attention sees of a cache: one sequence in one layer.

use kernels::{Cells, Kernels};

use super::block_pool::BlockId;
use super::blocks::Blocks;
use super::bounds::KeyBounds;
use super::hidden::Hidden;
use super::keys::{KeyForm, KeyPlane, Keys};
use super::policy::KvPolicy;
use super::shape::ValuePlace;
use super::values::{ValuePlane, ValueScratch, Values};
use crate::attention::{AttentionPattern, Spans};

/// Keys and values of one sequence in one layer, each with the position it was computed for.
#[derive(Clone, Copy)]
pub struct KvView<'a> {
    pub(super) keys: &'a KeyPlane,
    pub(super) values: &'a ValuePlane,
    pub(super) value_place: ValuePlace,
    pub(super) policy: KvPolicy,
    pub(super) hidden: Option<&'a Hidden>,
    /// Where the policy chooses among blocks.
    pub(super) bounds: Option<&'a KeyBounds>,
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

    /// Indices of the keys that a query sees in a layer with a pattern. Positions ascend, so ranges
    /// of them are ranges of indices.
    pub fn visible(&self, pattern: AttentionPattern, query_pos: u32) -> Spans {
        let index = |pos: u32| self.positions.partition_point(|&key_pos| key_pos < pos);
        let mut seen = self.policy.pattern(pattern).key_ranges(query_pos);
        if let Some(hidden) = self.hidden {
            seen = hidden.leave(query_pos, seen);
        }
        Spans::new(seen.map(|range| match range.is_empty() {
            true => 0..0,
            false => index(range.start)..index(range.end),
        }))
    }

    /// How many blocks, and from which position on, a query looks at in a layer with a pattern.
    pub fn few(&self, pattern: AttentionPattern) -> Option<(usize, u32)> {
        self.policy.few().filter(|_| pattern == AttentionPattern::Causal)
    }

    /// See [`KeyBounds::score`].
    pub(crate) fn score_blocks(
        &self,
        kernels: &Kernels,
        (idx, kv_head_idx): (usize, usize),
        queries: (&[f32], usize),
        scores: (&mut [f32], &mut [f32]),
    ) {
        let bounds = self.bounds.expect("a policy that chooses has bounds");
        let at = (idx, kv_head_idx, self.keys.n_kv_heads());
        bounds.score(kernels, at, queries, scores);
    }

    /// Whether a query that sees a block may look at it: it was not let go of.
    pub(crate) fn holds(&self, block_idx: usize) -> bool {
        // Without a policy that lets go of what is seen, a hole would be a mistake.
        self.policy.eviction().is_none() || self.blocks[block_idx].is_some()
    }

    fn block(&self, block_idx: usize) -> BlockId {
        self.blocks[block_idx].expect("a block that a query sees is held")
    }

    /// What the keys of a block are made of, if there is one, the most of it first, to be asked for
    /// early.
    pub(crate) fn key_bytes(&self, kv_head_idx: usize, block_idx: usize) -> [&'a [u8]; 4] {
        self.head_bytes(&self.keys.blocks, kv_head_idx, block_idx)
    }

    /// The same for values.
    pub(crate) fn value_bytes(&self, kv_head_idx: usize, block_idx: usize) -> [&'a [u8]; 4] {
        self.head_bytes(&self.values.blocks, kv_head_idx, block_idx)
    }

    fn head_bytes(&self, blocks: &'a Blocks, head_idx: usize, block_idx: usize) -> [&'a [u8]; 4] {
        let (n_heads, block) = (self.keys.n_kv_heads(), self.blocks.get(block_idx));
        let block = block.copied().flatten();
        block.map_or([&[]; 4], |block| blocks.get(block).head_bytes(head_idx, n_heads))
    }

    pub fn key_form(&self) -> KeyForm {
        self.keys.form()
    }

    /// Keys of one block; those beyond `n_keys` mean nothing.
    pub fn keys(&self, kv_head_idx: usize, block_idx: usize) -> Keys<'a> {
        self.keys.read(self.block(block_idx), kv_head_idx)
    }

    /// Values of one block; those beyond `n_keys` are finite.
    pub fn values<'b>(
        &self,
        kernels: &Kernels,
        kv_head_idx: usize,
        block_idx: usize,
        scratch: &'b mut ValueScratch,
    ) -> Values<'b>
    where
        'a: 'b,
    {
        let block = self.block(block_idx);
        let ValuePlace::InKey { first } = self.value_place else {
            return self.values.read(kernels, block, kv_head_idx, scratch);
        };
        self.keys.read_values(kernels, (block, kv_head_idx, first), scratch);
        Values::Floats(Cells::F32(&scratch.widened))
    }
}
