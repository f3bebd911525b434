//! The memory of the cache: blocks of keys and values of every layer, counted by their holders.

use kernels::KEY_BLOCK;

use super::block_pool::{BlockId, BlockPool};
use super::keys::KeyPlane;
use super::shape::{KvShape, WINDOW_SLACK};
use super::values::ValuePlane;

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
    pool: BlockPool,
}

impl LayerGroup {
    /// The first block that a query at `query_pos` may still want, or one that branches off
    /// shortly before.
    pub(super) fn first_kept_block(&self, query_pos: usize) -> usize {
        self.first_block_behind(query_pos, WINDOW_SLACK)
    }

    /// The first block that a query at `query_pos` sees.
    pub(super) fn first_seen_block(&self, query_pos: usize) -> usize {
        self.first_block_behind(query_pos, 0)
    }

    /// The first block of the window behind a query, and of `n_more` positions before it.
    fn first_block_behind(&self, query_pos: usize, n_more: usize) -> usize {
        let Some(window) = self.window else { return 0 };
        (query_pos + 1).saturating_sub(window as usize + n_more) / KEY_BLOCK
    }

    pub(super) fn is_windowed(&self) -> bool {
        self.window.is_some()
    }

    pub(super) fn n_holders(&self, block: BlockId) -> u32 {
        self.pool.n_holders(block)
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
                groups.push(LayerGroup { window, block_bytes: 0, pool: BlockPool::default() });
            }
            groups[group_idx].block_bytes += shape.layer_block_bytes(layer);
            let (n_kv_heads, head_dim) = (shape.n_kv_heads, shape.head_dim);
            layers.push(LayerKv {
                group_idx,
                keys: KeyPlane::new(layer.k_type, n_kv_heads, head_dim),
                values: ValuePlane::new(layer.v_type, n_kv_heads, head_dim),
            });
        }
        Self { layers, groups }
    }

    /// Bytes of the blocks that someone holds.
    pub(super) fn n_bytes(&self) -> usize {
        self.groups.iter().map(|group| group.pool.n_held() * group.block_bytes).sum()
    }

    pub(super) fn block_bytes(&self, group_idx: usize) -> usize {
        self.groups[group_idx].block_bytes
    }

    /// A block of zeros with one holder: hidden keys have weight zero, and zero times a NaN of
    /// another sequence would be NaN.
    pub(super) fn take(&mut self, group_idx: usize) -> BlockId {
        let block = self.groups[group_idx].pool.take();
        for layer in self.layers.iter_mut().filter(|layer| layer.group_idx == group_idx) {
            layer.keys.allocate(block);
            layer.values.allocate(block);
        }
        block
    }

    pub(super) fn hold(&mut self, group_idx: usize, block: BlockId) {
        self.groups[group_idx].pool.hold(block);
    }

    /// One holder fewer; the memory goes with the last.
    pub(super) fn give_back(&mut self, group_idx: usize, block: BlockId) {
        if self.groups[group_idx].pool.give_back(block) {
            for layer in self.layers.iter_mut().filter(|layer| layer.group_idx == group_idx) {
                layer.keys.blocks.free(block);
                layer.values.blocks.free(block);
            }
        }
    }

    /// A new block with the first `n_keys` keys of another.
    pub(super) fn copy_of(&mut self, group_idx: usize, block: BlockId, n_keys: usize) -> BlockId {
        let copy = self.take(group_idx);
        for layer in self.layers.iter_mut().filter(|layer| layer.group_idx == group_idx) {
            layer.keys.blocks.copy(block, copy);
            layer.values.copy(block, copy, n_keys);
        }
        copy
    }
}
