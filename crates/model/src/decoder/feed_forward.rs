//! `residual += down(activation(gate(norm(residual))) * up(norm(residual)))`

use super::compute::Compute;
use super::forward::ForwardCtx;
use super::workspace::Workspace;
use crate::spec::{Activation, FeedForward};

pub(super) fn feed_forward_block(ctx: &ForwardCtx<'_>, ws: &mut Workspace) {
    let model = ctx.model;
    let layer = &model.layers[ctx.layer_idx];
    let (n, d_model, d_ff) = (ctx.batch.n_tokens(), model.config.d_model, model.config.d_ff);
    let eps = model.config.norm_eps;
    let residual = &mut ws.residual[..n * d_model];
    let normed = &mut ws.normed[..n * d_model];
    let (gate, up) = (&mut ws.gate[..n * d_ff], &mut ws.up[..n * d_ff]);
    let compute = &mut ws.compute;
    norm_rows(compute, residual, &layer.ffn_norm, eps, normed);
    let products = [(&layer.ffn_gate, &mut *gate), (&layer.ffn_up, &mut *up)];
    compute.multiply(model.arithmetic, normed, products);
    let FeedForward::Gated(activation) = model.spec.feed_forward;
    compute.for_each_row(
        [(&mut *gate, d_ff), (up, d_ff)],
        |kernels, _, [gate, up]| match activation {
            Activation::Silu => (kernels.silu_mul)(gate, up),
            Activation::GeluTanh => (kernels.gelu_tanh_mul)(gate, up),
        },
    );
    let delta = &mut ws.delta[..n * d_model];
    compute.multiply(model.arithmetic, gate, [(&layer.ffn_down, &mut *delta)]);
    let post_norm = layer.post_ffw_norm.as_deref();
    add_delta((compute, eps), post_norm, residual, (delta, normed), d_model);
}

/// `normed = norm(residual)`; both `[n_tokens, gain.len()]`.
pub(super) fn norm_rows(
    compute: &mut Compute,
    residual: &mut [f32],
    gain: &[f32],
    eps: f32,
    normed: &mut [f32],
) {
    let d = gain.len();
    compute.for_each_row([(residual, d), (normed, d)], |kernels, _, [residual, normed]| {
        (kernels.rms_norm)(residual, gain, eps, normed);
    });
}

/// `residual += delta`, or its norm where the residual is a sandwich; all `[n_tokens, d_model]`.
pub(super) fn add_delta(
    (compute, eps): (&mut Compute, f32),
    post_norm: Option<&[f32]>,
    residual: &mut [f32],
    (delta, normed): (&mut [f32], &mut [f32]),
    d_model: usize,
) {
    let matrices = [(residual, d_model), (delta, d_model), (normed, d_model)];
    compute.for_each_row(matrices, |kernels, _, [residual, delta, normed]| match post_norm {
        None => (kernels.add)(residual, delta),
        Some(gain) => {
            (kernels.rms_norm)(delta, gain, eps, normed);
            (kernels.add)(residual, normed);
        }
    });
}
