//! What every head gives to the keys some places back, in the mean over rows.

use std::ops::Range;

use engine::Watcher;
use model::ModelConfig;
use model::batch::KeysOf;
use model::probe::{LayerAt, RowWeights};

/// Which rows, and how far back.
#[derive(Clone, Debug)]
pub struct OffsetsPlan {
    /// Positions of rows; none of them looks back further than the text begins.
    pub rows: Range<u32>,
    pub offsets: Vec<u32>,
}

/// Adds up each head's weights at offsets.
pub struct OffsetWeights {
    plan: OffsetsPlan,
    n_heads: usize,
    /// `[n_layers, n_heads, n_offsets]`, summed over rows
    sums: Vec<f64>,
}

impl OffsetWeights {
    pub fn new(config: &ModelConfig, plan: OffsetsPlan) -> Self {
        assert!(plan.offsets.iter().all(|&offset| offset <= plan.rows.start));
        let n_heads = config.n_heads;
        Self { n_heads, sums: vec![0.0; config.n_layers * n_heads * plan.offsets.len()], plan }
    }

    pub fn n_rows(&self) -> usize {
        self.plan.rows.len()
    }

    /// # Shapes
    /// `[n_layers * n_heads, n_offsets]`, summed over rows
    pub fn sums(&self) -> std::slice::ChunksExact<'_, f64> {
        self.sums.chunks_exact(self.plan.offsets.len())
    }
}

impl Watcher for OffsetWeights {
    fn first_pos(&self) -> usize {
        self.plan.rows.start as usize
    }

    fn restart(&mut self) {
        self.sums.fill(0.0);
    }

    fn wants_weights(&self, layer: LayerAt, query_pos: u32) -> bool {
        layer.keys_of == KeysOf::Own && self.plan.rows.contains(&query_pos)
    }

    fn weights(&mut self, layer: LayerAt, query_pos: u32, found: &mut RowWeights<'_>) {
        let n_offsets = self.plan.offsets.len();
        let first = layer.layer_idx * self.n_heads * n_offsets;
        for (place, offset) in self.plan.offsets.iter().enumerate() {
            let Ok(key_idx) = found.key_positions.binary_search(&(query_pos - offset)) else {
                continue;
            };
            for head_idx in 0..self.n_heads {
                let weight = found.of_head(head_idx)[key_idx];
                self.sums[first + head_idx * n_offsets + place] += f64::from(weight);
            }
        }
    }
}
