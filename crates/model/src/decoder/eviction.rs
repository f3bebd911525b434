//! A policy lets go of what of a prompt seems to matter least, before the text goes on.

use kernels::KEY_BLOCK;

use super::attention_block::{attend_ctx, key_motion};
use super::workspace::Workspace;
use crate::attention::Judge;
use crate::kv::{KvCache, SequenceId};
use crate::pool::{TileRows, Tiled};
use crate::weights::Model;

/// Does so where it is due, and must be called then: the prompt of the sequence is read, and its
/// policy keeps less. What a block matters is added up over the heads of all layers that keep all
/// positions, since these have their blocks together.
pub fn evict(model: &Model, kv: &mut KvCache, id: SequenceId, ws: &mut Workspace) {
    let Some(eviction) = kv.due_eviction(id) else { return };
    let n_blocks = eviction.n_prompt.div_ceil(KEY_BLOCK);
    let layers = kv.shape().layers.iter().enumerate().filter(|(_, layer)| layer.window.is_none());
    let layers: Vec<usize> = layers.map(|(layer_idx, _)| layer_idx).collect();
    let n_kv_heads = model.config.n_kv_heads;
    let mut shares = vec![0.0; layers.len() * n_kv_heads * n_blocks];
    let data = &mut shares[..];
    let rows = Tiled { data, n_cols: n_blocks, tile_rows: TileRows::Even(1), tile_cols: n_blocks };
    let (compute, ropes) = (&mut ws.compute, &ws.ropes);
    let kernels = compute.kernels;
    compute.pool.for_each_tile(&mut compute.scratch, [rows], |scratch, idx, [mut row]| {
        let (layer_idx, kv_head_idx) = (layers[idx / n_kv_heads], idx % n_kv_heads);
        let judge = Judge {
            attend: &attend_ctx(model, layer_idx, kernels),
            observed: kv.observed(layer_idx, id),
            kv: kv.view(layer_idx, id),
            kv_head_idx,
            motion: {
                let rope = &ropes.of(&model.config, layer_idx).table;
                key_motion(model, rope, kv.shape().layers[layer_idx].k_type, kernels)
            },
        };
        judge.judge(eviction.by, &mut scratch.attend, row.row_mut(0));
    });
    let mut importance = vec![0.0; n_blocks];
    for shares in shares.chunks_exact(n_blocks) {
        importance.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
    }
    kv.evict(id, &importance);
}
