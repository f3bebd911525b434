//! `residual += attn_output(attend(q, k, v))` of one layer, keys and values cached on the way.

use kernels::Kernels;

use super::compute::{Compute, Input, Norm};
use super::feed_forward::AddDelta;
use super::forward::ForwardCtx;
use super::latent;
use super::ropes::Rope;
use super::show::{observe, show_weights};
use super::workspace::{Workspace, attention_params};
use crate::attention::{
    AttendCtx, AttentionPattern, HeadTerms, LayerKeys, PositionBias, Queries, RopeTable, attend,
    attend_watched,
};
use crate::batch::{BatchSequence, KeysOf};
use crate::config::ModelConfig;
use crate::kv::{KeyMotion, KvCache, KvType, LayerShape, NewKeys, SequenceId};
use crate::probe::{LayerAt, Probe, Site};
use crate::shape::Heads;
use crate::weights::{CrossWeights, HeadNorm, HeadWeights, Linear, Model, NormWeights, QkvWeights};

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
    let kv_layer = kv.shape().layers[ctx.layer_idx];
    match &layer.qkv {
        QkvWeights::Heads(weights) => project(ctx, weights, kv_layer, ws),
        QkvWeights::Latent(weights) => {
            latent::project(ctx, weights, kv_layer.k_type.is_rotated(), ws);
        }
    }
    grow_queries(ctx, &mut ws.compute, &mut ws.q[..n * q_width]);
    let (keys, values) = (&ws.k[..n * kv_width], &ws.v[..n * stored_value_width(c)]);
    let new = NewKeys { sequences: &batch.sequences, first_keys: &ws.first_keys, keys, values };
    let rope = ws.ropes.of(c, ctx.layer_idx);
    let motion = key_motion(model, &rope.table, kv_layer.k_type, ws.compute.kernels);
    let threads = (&mut ws.compute.pool, &mut *ws.compute.scratch);
    kv.write_batch(motion, ctx.layer_idx, new, &mut ws.kv_writes, threads);
    look(ctx, KeysOf::Own, kv, ws, probe);
    let queries = Heads::new(&ws.q[..n * q_width], c.n_heads, c.head_dim);
    let queries = (queries, &ws.log_sum_exp[..n * c.n_heads]);
    kv.observe(ctx.layer_idx, (&batch.sequences, &ws.first_keys), queries);
    if let QkvWeights::Latent(weights) = &layer.qkv {
        latent::expand(ctx, weights, ws);
    }
    let output = (&layer.attn_output, layer.post_attention_norm.as_ref());
    add_result(ctx, KeysOf::Own, output, ws, probe);
}

/// Fills `ws.q`, `ws.k` and `ws.v` of a layer.
fn project(ctx: &ForwardCtx<'_>, weights: &HeadWeights, kv_layer: LayerShape, ws: &mut Workspace) {
    let (c, n) = (&ctx.model.config, ctx.batch.n_tokens());
    let HeadWeights { attn_q, attn_k, attn_v, attn_q_norm, attn_k_norm, .. } = weights;
    let (q_width, kv_width) = (c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim);
    let residual = &ws.residual[..n * c.d_model];
    let (q, k) = (&mut ws.q[..n * q_width], &mut ws.k[..n * kv_width]);
    let v = &mut ws.v[..n * kv_width];
    let norm = ctx.model.layers[ctx.layer_idx].attn_norm.as_ref();
    let norm = norm.map(|weights| Norm { weights, eps: c.norm_eps });
    let products = [(attn_q, &mut *q), (attn_k, &mut *k), (attn_v, &mut *v)];
    ws.compute.multiply(Input { x: residual, norm }, products);
    clip([&mut *q, &mut *k, &mut *v], c.qkv_clip);
    let rope = ws.ropes.of(c, ctx.layer_idx);
    for (heads, gain) in [(&mut *q, attn_q_norm), (&mut *k, attn_k_norm)] {
        norm_and_rotate(ctx, &mut ws.compute, (gain.as_ref(), rope), kv_layer.k_type, heads);
    }
    if kv_layer.v_type.is_rotated() {
        spread(&mut ws.compute, c.head_dim, kv_width, v);
    }
}

/// Of all kv heads of a token, beside their keys.
pub(super) fn stored_value_width(config: &ModelConfig) -> usize {
    config.n_kv_heads * config.value_place().stored_width(config.head_dim)
}

/// The same over the texts that an encoder has read, whose keys and values are there already.
pub(super) fn cross_attention_block<P: Probe>(
    ctx: &ForwardCtx<'_>,
    cross: &CrossWeights,
    kv: &KvCache,
    ws: &mut Workspace,
    probe: &mut P,
) {
    let (c, n) = (&ctx.model.config, ctx.batch.n_tokens());
    let residual = &ws.residual[..n * c.d_model];
    let q = &mut ws.q[..n * c.n_heads * c.head_dim];
    let norm = Some(Norm { weights: &cross.attn_norm, eps: c.norm_eps });
    ws.compute.multiply(Input { x: residual, norm }, [(&cross.attn_q, &mut *q)]);
    let k_type = kv.shape().layers[ctx.layer_idx].k_type;
    norm_and_rotate(ctx, &mut ws.compute, (None, ws.ropes.none()), k_type, q);
    look(ctx, KeysOf::Source, kv, ws, probe);
    add_result(ctx, KeysOf::Source, (&cross.attn_output, None), ws, probe);
}

/// What the queries in `ws.q` find, to `ws.attn_out`.
fn look<P: Probe>(
    ctx: &ForwardCtx<'_>,
    keys_of: KeysOf,
    kv: &KvCache,
    ws: &mut Workspace,
    probe: &mut P,
) {
    let (c, n) = (&ctx.model.config, ctx.batch.n_tokens());
    let (q, attn_out) = (&ws.q[..n * c.n_heads * c.head_dim], &mut ws.attn_out);
    let value_dim = attention_params(c).value_dim();
    let attn_out = &mut attn_out[..n * c.n_heads * value_dim];
    let attend_ctx = match keys_of {
        KeysOf::Own => attend_ctx(ctx.model, ctx.layer_idx, ws.compute.kernels),
        KeysOf::Source => cross_ctx(ctx.model, ws.compute.kernels),
    };
    let queries = Queries {
        q: Heads::new(q, c.n_heads, c.head_dim),
        positions: &ctx.batch.positions,
        sequences: &ctx.batch.sequences,
    };
    let keys = LayerKeys { kv, layer_idx: ctx.layer_idx, of: keys_of };
    let layer = LayerAt { layer_idx: ctx.layer_idx, keys_of };
    let threads = (&mut ws.compute.pool, &mut *ws.compute.scratch);
    let outs = (&mut *attn_out, &mut ws.log_sum_exp[..n * c.n_heads]);
    if P::WATCHES && probe.wants_statistics(layer) {
        let found = attend_watched(&attend_ctx, queries, keys, &mut ws.attend, threads, outs);
        probe.statistics(layer, &found);
    } else {
        attend(&attend_ctx, queries, keys, &mut ws.attend, threads, outs);
    }
    if kv.shape().layers[ctx.layer_idx].v_type.is_rotated() {
        // Back again: the mean of rotated values is the rotated mean.
        spread(&mut ws.compute, value_dim, c.n_heads * value_dim, attn_out);
    }
    if P::WATCHES {
        let found = (&ws.attend, &*ws.log_sum_exp);
        let rows = (queries, keys);
        show_weights(&attend_ctx, rows, found, &mut ws.compute, &mut ws.shown, probe);
    }
}

/// `residual += attn_output(attn_out)`, but where the feed-forward is to read the same residual.
fn add_result<P: Probe>(
    ctx: &ForwardCtx<'_>,
    keys_of: KeysOf,
    (output, norm): (&Linear, Option<&NormWeights>),
    ws: &mut Workspace,
    probe: &mut P,
) {
    let (c, n) = (&ctx.model.config, ctx.batch.n_tokens());
    let attn_out = match c.latent {
        None => &ws.attn_out[..n * c.found_width()],
        Some(_) => ws.latent.found(n, c.found_width()),
    };
    let (residual, delta) = (&mut ws.residual[..n * c.d_model], &mut ws.delta[..n * c.d_model]);
    ws.compute.multiply(Input { x: attn_out, norm: None }, [(output, &mut *delta)]);
    let layer = LayerAt { layer_idx: ctx.layer_idx, keys_of };
    observe(probe, Site::AttentionOutput(layer), delta, c.d_model);
    if !c.residual.is_parallel() {
        AddDelta::new(ctx, norm).run(&mut ws.compute, residual, delta);
    }
}

/// Stores what a layer makes of the hidden states that an encoder has left in `ws.hidden`: those of
/// one text of `n` tokens, from the first key of `source` on.
pub(super) fn store_source(
    model: &Model,
    (layer_idx, cross): (usize, &CrossWeights),
    (kv, source, n): (&mut KvCache, SequenceId, usize),
    ws: &mut Workspace,
) {
    let c = &model.config;
    let kv_width = c.n_kv_heads * c.head_dim;
    let (k, v) = (&mut ws.k[..n * kv_width], &mut ws.v[..n * kv_width]);
    let input = Input { x: &ws.hidden[..n * c.d_model], norm: None };
    ws.compute.multiply(input, [(&cross.attn_k, &mut *k), (&cross.attn_v, &mut *v)]);
    let kv_layer = kv.shape().layers[layer_idx];
    for (heads, is_rotated) in
        [(&mut *k, kv_layer.k_type.is_rotated()), (&mut *v, kv_layer.v_type.is_rotated())]
    {
        if is_rotated {
            spread(&mut ws.compute, c.head_dim, kv_width, heads);
        }
    }
    let sequences = &[BatchSequence { id: source, rows: 0..n, source: None }];
    let new = NewKeys { sequences, first_keys: &[0], keys: k, values: v };
    let rope = &ws.ropes.none().table;
    let motion = key_motion(model, rope, kv_layer.k_type, ws.compute.kernels);
    let threads = (&mut ws.compute.pool, &mut *ws.compute.scratch);
    kv.write_batch(motion, layer_idx, new, &mut ws.kv_writes, threads);
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
        terms: HeadTerms {
            position_bias: &model.position_bias,
            sink_logits: model.layers[layer_idx].qkv.sinks(),
        },
    }
}

/// Every token of the decoder sees all that an encoder has read, wherever it stands.
fn cross_ctx<'a>(model: &'a Model, kernels: &'static Kernels) -> AttendCtx<'a> {
    AttendCtx {
        kernels,
        params: attention_params(&model.config),
        pattern: AttentionPattern::Bidirectional,
        terms: HeadTerms { position_bias: &PositionBias::None, sink_logits: &[] },
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
    let first_value = model.config.value_place().first();
    KeyMotion { kernels, rope, pairing, is_spread, first_value }
}
