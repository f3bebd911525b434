//! What rotates queries and keys: a table for each kind of layer, and its angles for a batch.

use crate::attention::RopeTable;
use crate::config::ModelConfig;
use crate::rope_config::RopeConfig;
use crate::spec::LayerKind;

pub(super) struct Ropes {
    full: Rope,
    sliding: Rope,
    /// Of layers that do not rotate.
    none: Rope,
}

/// A table with cosines and sines of the positions of a batch: `[n_tokens, n_pairs]` each.
pub(super) struct Rope {
    pub(super) table: RopeTable,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Ropes {
    /// For texts of up to `n_ctx` positions, `n_tokens_max` of them at once.
    pub(super) fn new(config: &ModelConfig, n_ctx: usize, n_tokens_max: usize) -> Self {
        let rope = |table: RopeTable| {
            let angles = || vec![0.0; n_tokens_max * table.n_pairs()];
            Rope { cos: angles(), sin: angles(), table }
        };
        Self {
            full: rope(RopeTable::new(&config.rope_full, n_ctx)),
            sliding: rope(RopeTable::new(&config.rope_sliding, n_ctx)),
            none: rope(RopeTable::none()),
        }
    }

    /// Bytes that [`Self::new`] allocates.
    pub(super) fn n_bytes(config: &ModelConfig, n_tokens_max: usize) -> usize {
        let rope = |config: &RopeConfig| {
            let n_angles = 2 * n_tokens_max * (config.rope_dim / 2);
            RopeTable::n_bytes(config) + n_angles * size_of::<f32>()
        };
        rope(&config.rope_full) + rope(&config.rope_sliding)
    }

    pub(super) fn fill(&mut self, positions: &[u32]) {
        for Rope { table, cos, sin } in [&mut self.full, &mut self.sliding] {
            table.fill(positions, cos, sin);
        }
    }

    /// What rotates nothing.
    pub(super) fn none(&self) -> &Rope {
        &self.none
    }

    /// What rotates a layer.
    pub(super) fn of(&self, config: &ModelConfig, layer_idx: usize) -> &Rope {
        match config.layer_kinds[layer_idx] {
            _ if !config.rotates[layer_idx] => &self.none,
            LayerKind::Full => &self.full,
            LayerKind::Sliding => &self.sliding,
        }
    }
}

impl Rope {
    /// Cosines and sines of a token of the batch: `[n_pairs]` each.
    pub(super) fn angles(&self, token_idx: usize) -> [&[f32]; 2] {
        let n_pairs = self.table.n_pairs();
        [&self.cos, &self.sin].map(|all| &all[token_idx * n_pairs..][..n_pairs])
    }
}
