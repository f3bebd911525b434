//! What a probe is shown of a forward pass.

use super::compute::Compute;
use crate::attention::{
    AttendBuffers, AttendCtx, LayerKeys, Queries, ValueReader, attention_weights,
};
use crate::kv::ValueScratch;
use crate::probe::{LayerAt, Probe, RowWeights, RowsAt, Site};
use crate::shape::Rows;

/// Room for one token's rows; it is taken when somebody looks.
#[derive(Default)]
pub(super) struct ShownRows {
    /// `[n_heads, n_keys]`
    weights: Vec<f32>,
    /// `[n_heads]`
    sinks: Vec<f32>,
    values: Option<ValueScratch>,
    /// `[KEY_BLOCK, value_dim]`
    widened: Vec<f32>,
}

/// Hands a probe the rows that it asks for, token by token.
pub(super) fn show_weights<P: Probe>(
    ctx: &AttendCtx<'_>,
    (queries, keys): (Queries<'_>, LayerKeys<'_>),
    (buffers, log_sum_exp): (&AttendBuffers, &[f32]),
    compute: &mut Compute,
    shown: &mut ShownRows,
    probe: &mut P,
) {
    let n_heads = ctx.params.n_heads;
    let layer = LayerAt { layer_idx: keys.layer_idx, keys_of: keys.of };
    let is_spread = keys.kv.shape().layers[keys.layer_idx].v_type.is_rotated();
    for sequence in queries.sequences {
        for token_idx in sequence.rows.clone() {
            let at = RowsAt { layer, token_idx, query_pos: queries.positions[token_idx] };
            if !probe.wants_weights(at) {
                continue;
            }
            let log_sum_exp = &log_sum_exp[token_idx * n_heads..][..n_heads];
            let threads = (&mut compute.pool, &mut *compute.scratch);
            let (row, rows) = ((queries, token_idx), (&mut shown.weights, &mut shown.sinks));
            attention_weights(ctx, row, keys, buffers, threads, log_sum_exp, rows);
            let (view, params) = (keys.view(sequence), &ctx.params);
            let fresh = || ValueScratch::new(params.head_dim, params.values);
            let values = ValueReader {
                kernels: ctx.kernels,
                view,
                value_dim: params.value_dim(),
                is_spread,
                scratch: shown.values.get_or_insert_with(fresh),
                widened: &mut shown.widened,
            };
            let mut found = RowWeights {
                key_positions: view.positions(),
                weights: &shown.weights,
                sinks: &shown.sinks,
                log_sum_exp,
                values,
            };
            probe.weights(at, &mut found);
        }
    }
}

pub(super) fn observe<P: Probe>(probe: &mut P, site: Site, data: &[f32], dim: usize) {
    if P::WATCHES {
        probe.activation(site, Rows::new(data, dim));
    }
}
