//! The memory of the cache: blocks of keys and values of every layer, counted by their holders.

use super::block_pool::{BlockId, BlockPool};
use super::keys::KeyPlane;
use super::policy::KvPolicy;
use super::shape::{KvShape, WINDOW_SLACK};
use super::values::ValuePlane;
use crate::attention::{AttentionPattern, Spans};

pub(super) struct BlockStore {
    /// `[n_layers]`
    pub(super) layers: Vec<LayerKv>,
    pub(super) groups: Vec<LayerGroup>,
}

pub(super) struct LayerKv {
    pub(super) group_idx: usize,
    pub(super) keys: KeyPlane,
    pub(super) values: ValuePlane,
}

/// Layers that keep the same positions, and so share block numbers.
pub(super) struct LayerGroup {
    /// Positions that a query sees; `None`: all before it.
    window: Option<u32>,
    /// Of one block in all layers of the group.
    block_bytes: usize,
    /// The same for the first block of a text.
    first_block_bytes: usize,
    pool: BlockPool,
    /// By number: whether a block is the first of a text.
    is_first: Vec<bool>,
    /// Bytes of the blocks that someone holds.
    n_bytes: usize,
}

impl LayerGroup {
    /// Whether its layers see the last positions only.
    pub(super) fn has_window(&self) -> bool {
        self.window.is_some()
    }

    /// Blocks that a query at `query_pos` may still want, or one that branches off shortly before.
    pub(super) fn kept_blocks(&self, policy: KvPolicy, query_pos: usize) -> Spans {
        policy.blocks(self.window, query_pos, WINDOW_SLACK)
    }

    /// Blocks that a query at `query_pos` sees.
    pub(super) fn seen_blocks(&self, policy: KvPolicy, query_pos: usize) -> Spans {
        policy.blocks(self.window, query_pos, 0)
    }

    /// Whether there are blocks that queries far behind them do not see.
    pub(super) fn is_windowed(&self, policy: KvPolicy) -> bool {
        policy.pattern_within(self.window) != AttentionPattern::Causal
    }

    pub(super) fn n_holders(&self, block: BlockId) -> u32 {
        self.pool.n_holders(block)
    }

    /// Bytes of a block to come.
    pub(super) fn bytes_of_new(&self, is_first: bool) -> usize {
        if is_first { self.first_block_bytes } else { self.block_bytes }
    }

    pub(super) fn bytes_of(&self, block: BlockId) -> usize {
        self.bytes_of_new(self.is_first[block.0 as usize])
    }
}

impl BlockStore {
    pub(super) fn new(shape: &KvShape) -> Self {
        let mut groups: Vec<LayerGroup> = Vec::new();
        let mut layers = Vec::with_capacity(shape.layers.len());
        for layer in &shape.layers {
            let window = layer.window;
            let group_idx = groups.iter().position(|group| group.window == window);
            let group_idx = group_idx.unwrap_or(groups.len());
            if group_idx == groups.len() {
                groups.push(LayerGroup {
                    window,
                    block_bytes: 0,
                    first_block_bytes: 0,
                    pool: BlockPool::default(),
                    is_first: Vec::new(),
                    n_bytes: 0,
                });
            }
            groups[group_idx].block_bytes += shape.layer_block_bytes(layer);
            groups[group_idx].first_block_bytes += shape.layer_first_block_bytes(layer);
            let (n_kv_heads, value_dim) = (shape.n_kv_heads, shape.stored_value_dim());
            layers.push(LayerKv {
                group_idx,
                keys: KeyPlane::new(layer.k_type, n_kv_heads, shape.head_dim),
                values: ValuePlane::new(layer.v_type, n_kv_heads, value_dim),
            });
        }
        Self { layers, groups }
    }

    /// Bytes of the blocks that someone holds.
    pub(super) fn n_bytes(&self) -> usize {
        self.groups.iter().map(|group| group.n_bytes).sum()
    }

    /// A block of zeros with one holder: hidden keys have weight zero, and zero times a NaN of
    /// another sequence would be NaN.
    pub(super) fn take(&mut self, group_idx: usize, is_first: bool) -> BlockId {
        let group = &mut self.groups[group_idx];
        let block = group.pool.take();
        let n_blocks = group.is_first.len().max(block.0 as usize + 1);
        group.is_first.resize(n_blocks, false);
        group.is_first[block.0 as usize] = is_first;
        group.n_bytes += group.bytes_of(block);
        for layer in self.layers.iter_mut().filter(|layer| layer.group_idx == group_idx) {
            layer.keys.allocate(block, is_first);
            layer.values.allocate(block);
        }
        block
    }

    pub(super) fn hold(&mut self, group_idx: usize, block: BlockId) {
        self.groups[group_idx].pool.hold(block);
    }

    /// One holder fewer; the memory goes with the last.
    pub(super) fn give_back(&mut self, group_idx: usize, block: BlockId) {
        let group = &mut self.groups[group_idx];
        if group.pool.give_back(block) {
            group.n_bytes -= group.bytes_of(block);
            for layer in self.layers.iter_mut().filter(|layer| layer.group_idx == group_idx) {
                layer.keys.blocks.free(block);
                layer.values.blocks.free(block);
            }
        }
    }

    /// A new block with the first `n_keys` keys of another.
    pub(super) fn copy_of(&mut self, group_idx: usize, block: BlockId, n_keys: usize) -> BlockId {
        let is_first = self.groups[group_idx].is_first[block.0 as usize];
        let copy = self.take(group_idx, is_first);
        for layer in self.layers.iter_mut().filter(|layer| layer.group_idx == group_idx) {
            layer.keys.copy(block, copy, n_keys);
            layer.values.copy(block, copy, n_keys);
        }
        copy
    }
}
