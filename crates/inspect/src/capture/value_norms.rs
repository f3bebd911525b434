//! How long the vector is that a key's value adds to the residual (Kobayashi et al. 2020, the norm
//! of `f(x)`): `|W_O^h v| = sqrt(v^T G_h v)` with `G_h = W_O^h^T W_O^h`.

use kernels::KEY_BLOCK;
use model::Model;
use model::probe::RowWeights;

use super::output::grams;

/// Norms of the keys that were asked for, by layer.
pub(super) struct ValueNorms {
    layers: Vec<Option<LayerNorms>>,
    n_heads: usize,
    n_kv_heads: usize,
}

struct LayerNorms {
    /// `[n_heads]` of `[value_dim, value_dim]`
    grams: Vec<Vec<f32>>,
    /// `[n_heads]` of `[n_blocks]`: norms of the keys of a block, once they were needed
    blocks: Vec<Vec<Option<Box<[f32]>>>>,
}

impl ValueNorms {
    pub(super) fn new(model: &Model) -> Self {
        let config = &model.config;
        Self {
            layers: (0..config.n_layers).map(|_| None).collect(),
            n_heads: config.n_heads,
            n_kv_heads: config.n_kv_heads,
        }
    }

    /// The norms of a block of keys: `[up to 64]`.
    pub(super) fn of_block(
        &mut self,
        (model, layer_idx): (&Model, usize),
        (head_idx, block_idx): (usize, usize),
        found: &mut RowWeights<'_>,
    ) -> &[f32] {
        let n_heads = self.n_heads;
        let layer = self.layers[layer_idx].get_or_insert_with(|| LayerNorms {
            grams: grams(model, layer_idx),
            blocks: vec![Vec::new(); n_heads],
        });
        let n_keys = found.key_positions.len().saturating_sub(block_idx * KEY_BLOCK);
        let n_keys = n_keys.min(KEY_BLOCK);
        let blocks = &mut layer.blocks[head_idx];
        if blocks.len() <= block_idx {
            blocks.resize(block_idx + 1, None);
        }
        // The last block of a text that goes on has more keys by and by.
        let is_known = blocks[block_idx].as_ref().is_some_and(|norms| norms.len() >= n_keys);
        if !is_known {
            let kv_head_idx = head_idx / (n_heads / self.n_kv_heads);
            let d = found.values.value_dim();
            let gram = &layer.grams[head_idx];
            let values = found.values.block(kv_head_idx, block_idx).unwrap_or(&[]);
            blocks[block_idx] = Some(values.chunks_exact(d).map(|v| norm(gram, v)).collect());
        }
        blocks[block_idx].as_deref().expect("it is known now")
    }
}

/// `sqrt(v^T G v)`
fn norm(gram: &[f32], v: &[f32]) -> f32 {
    let square: f32 = gram.chunks_exact(v.len()).zip(v).map(|(row, x)| x * dot(row, v)).sum();
    square.max(0.0).sqrt()
}

/// In lanes that a compiler can use.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
