//! `residual += attn_output(attend(q, k, v))` of one layer, keys and values cached on the way.

use kernels::Kernels;

use super::compute::{Compute, Input, Norm};
use super::feed_forward::AddDelta;
use super::forward::ForwardCtx;
use super::ropes::Rope;
use super::workspace::{Workspace, attention_params};
use crate::attention::{
    AttendCtx, HeadTerms, LayerKeys, Queries, RopeTable, attend, attention_weights,
};
use crate::kv::{KeyMotion, KvCache, KvType, KvView, NewKeys};
use crate::probe::{Capture, HeadRow, Probe, RowStats};
use crate::shape::Heads;
use crate::weights::{HeadNorm, Model};

pub(super) fn attention_block<P: Probe>(
    ctx: &ForwardCtx<'_>,
    kv: &mut KvCache,
    ws: &mut Workspace,
    probe: &mut P,
) {
    let (model, batch) = (ctx.model, ctx.batch);
    let (c, layer) = (&model.config, &model.layers[ctx.layer_idx]);
    let n = batch.n_tokens();
    let (q_width, kv_width) = (c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim);
    let residual = &mut ws.residual[..n * c.d_model];
    let (q, k) = (&mut ws.q[..n * q_width], &mut ws.k[..n * kv_width]);
    let (v, delta) = (&mut ws.v[..n * kv_width], &mut ws.delta[..n * c.d_model]);
    let attn_out = &mut ws.attn_out[..n * q_width];

    let norm = layer.attn_norm.as_ref().map(|weights| Norm { weights, eps: c.norm_eps });
    let products = [(&layer.attn_q, &mut *q), (&layer.attn_k, &mut *k), (&layer.attn_v, &mut *v)];
    ws.compute.multiply(Input { x: residual, norm }, products);
    clip([&mut *q, &mut *k, &mut *v], c.qkv_clip);
    let rope = ws.ropes.of(c, ctx.layer_idx);
    let kv_layer = kv.shape().layers[ctx.layer_idx];
    let heads = [(&mut *q, &layer.attn_q_norm), (&mut *k, &layer.attn_k_norm)];
    for (heads, gain) in heads {
        norm_and_rotate(ctx, &mut ws.compute, (gain.as_ref(), rope), kv_layer.k_type, heads);
    }
    grow_queries(ctx, &mut ws.compute, q);
    if kv_layer.v_type.is_rotated() {
        spread(&mut ws.compute, c.head_dim, kv_width, v);
    }
    let new =
        NewKeys { sequences: &batch.sequences, first_keys: &ws.first_keys, keys: k, values: v };
    let motion = key_motion(model, &rope.table, kv_layer.k_type, ws.compute.kernels);
    let threads = (&mut ws.compute.pool, &mut *ws.compute.scratch);
    kv.write_batch(motion, ctx.layer_idx, new, &mut ws.kv_writes, threads);
    let queries = Queries {
        q: Heads::new(q, c.n_heads, c.head_dim),
        positions: &batch.positions,
        sequences: &batch.sequences,
    };
    attend(
        &attend_ctx(model, ctx.layer_idx, ws.compute.kernels),
        queries,
        LayerKeys { kv, layer_idx: ctx.layer_idx },
        &mut ws.attend,
        (&mut ws.compute.pool, &mut ws.compute.scratch),
        (attn_out, &mut ws.log_sum_exp[..n * c.n_heads]),
    );
    let log_sum_exp = &ws.log_sum_exp[..n * c.n_heads];
    let queries = (Heads::new(q, c.n_heads, c.head_dim), log_sum_exp);
    kv.observe(ctx.layer_idx, (&batch.sequences, &ws.first_keys), queries);
    if kv_layer.v_type.is_rotated() {
        // Back again: the mean of rotated values is the rotated mean.
        spread(&mut ws.compute, c.head_dim, q_width, attn_out);
    }
    if P::WATCHES {
        let rows = (&*q, log_sum_exp, &mut ws.probe_weights);
        show_attention(ctx, kv, &mut ws.compute, rows, probe);
    }
    let input = Input { x: attn_out, norm: None };
    ws.compute.multiply(input, [(&layer.attn_output, &mut *delta)]);
    if !c.residual.is_parallel() {
        let add = AddDelta::new(ctx, layer.post_attention_norm.as_ref());
        add.run(&mut ws.compute, residual, delta);
    }
}

fn clip(heads: [&mut [f32]; 3], limit: Option<f32>) {
    if let Some(limit) = limit {
        heads.into_iter().flatten().for_each(|x| *x = x.clamp(-limit, limit));
    }
}

/// See [`crate::rope_config::QueryGrowth`].
fn grow_queries(ctx: &ForwardCtx<'_>, compute: &mut Compute, q: &mut [f32]) {
    let Some(growth) = ctx.model.config.query_growth else { return };
    let q_width = q.len() / ctx.batch.n_tokens();
    compute.for_each_row([(q, q_width)], |_, _, token_idx, [row]| {
        let factor = growth.at(ctx.batch.positions[token_idx]);
        row.iter_mut().for_each(|x| *x *= factor);
    });
}

/// Spreads each head over its dimensions for a cache of few bits, or takes that back.
///
/// # Shapes
/// - `heads`: `[n_tokens, n_cols]`
fn spread(compute: &mut Compute, head_dim: usize, n_cols: usize, heads: &mut [f32]) {
    compute.for_each_row([(heads, n_cols)], |kernels, _, _, [row]| {
        row.chunks_exact_mut(head_dim).for_each(|head| (kernels.hadamard)(head));
    });
}

/// Norms each head, or all together, where there is a gain, rotates it by its token's angles, in
/// the order of the architecture, and spreads it if the type of the keys wants that: queries and
/// keys alike, so that their products stay.
///
/// # Shapes
/// - `heads`: `[n_tokens, any number of heads, head_dim]`
fn norm_and_rotate(
    ctx: &ForwardCtx<'_>,
    compute: &mut Compute,
    (norm, rope): (Option<&HeadNorm>, &Rope),
    k_type: KvType,
    heads: &mut [f32],
) {
    let c = &ctx.model.config;
    let n_cols = heads.len() / ctx.batch.n_tokens();
    let norms_rotated = ctx.model.spec.norms_rotated;
    compute.for_each_row([(heads, n_cols)], |kernels, spare, token_idx, [row]| {
        let [cos, sin] = rope.angles(token_idx);
        let rotate = |row: &mut [f32]| {
            for head in row.chunks_exact_mut(c.head_dim) {
                crate::attention::rotate(kernels, c.rope_pairing, head, cos, sin);
            }
        };
        if norms_rotated {
            rotate(row);
        }
        if let Some(HeadNorm { weights, width }) = norm {
            let norm = weights.kernel(kernels);
            let copy = &mut spare[..n_cols];
            copy.copy_from_slice(row);
            // Gains of one width for all, or as wide as the row.
            let gains = weights.gain.chunks_exact(*width).cycle();
            let parts = copy.chunks_exact(*width).zip(row.chunks_exact_mut(*width));
            for ((x, out), gain) in parts.zip(gains) {
                norm(x, gain, c.norm_eps, out);
            }
        }
        if !norms_rotated {
            rotate(row);
        }
        if k_type.is_rotated() {
            row.chunks_exact_mut(c.head_dim).for_each(|head| (kernels.hadamard)(head));
        }
    });
}

pub(super) fn attend_ctx<'a>(
    model: &'a Model,
    layer_idx: usize,
    kernels: &'static Kernels,
) -> AttendCtx<'a> {
    AttendCtx {
        kernels,
        params: attention_params(&model.config),
        pattern: model.config.pattern(layer_idx),
        terms: HeadTerms { position_bias: &model.position_bias, sink_logits: &[] },
    }
}

/// What happens to the keys of a layer on their way to the cache.
pub(super) fn key_motion<'a>(
    model: &Model,
    rope: &'a RopeTable,
    k_type: KvType,
    kernels: &'static Kernels,
) -> KeyMotion<'a> {
    let (pairing, is_spread) = (model.config.rope_pairing, k_type.is_rotated());
    KeyMotion { kernels, rope, pairing, is_spread }
}

/// Hands a probe what it asked for, row by row.
fn show_attention<P: Probe>(
    ctx: &ForwardCtx<'_>,
    kv: &KvCache,
    compute: &mut Compute,
    (q, log_sum_exp, weights): (&[f32], &[f32], &mut Vec<f32>),
    probe: &mut P,
) {
    let c = &ctx.model.config;
    let attend_ctx = attend_ctx(ctx.model, ctx.layer_idx, compute.kernels);
    let q = Heads::new(q, c.n_heads, c.head_dim);
    for sequence in &ctx.batch.sequences {
        let kv: KvView<'_> = kv.view(ctx.layer_idx, sequence.id);
        for token_idx in sequence.rows.clone() {
            for head_idx in 0..c.n_heads {
                let query_pos = ctx.batch.positions[token_idx];
                let at = HeadRow { token_idx, layer_idx: ctx.layer_idx, head_idx, query_pos };
                let log_sum_exp = log_sum_exp[token_idx * c.n_heads + head_idx];
                let stats = RowStats { log_sum_exp };
                match probe.capture(at) {
                    Capture::Nothing => (),
                    Capture::RowStats => probe.row_stats(at, &stats),
                    Capture::Weights => {
                        let query = (q.head(token_idx, head_idx), query_pos);
                        let scratch = &mut compute.scratch[0].attend;
                        let keys = (&kv, head_idx);
                        attention_weights(&attend_ctx, query, keys, &stats, scratch, weights);
                        probe.weights(at, kv.positions(), weights);
                    }
                }
            }
        }
    }
}
