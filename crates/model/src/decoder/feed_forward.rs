//! `residual += down(activation(gate(norm(residual))) * up(norm(residual)))`

use super::compute::{Compute, Input, Norm};
use super::forward::ForwardCtx;
use super::workspace::Workspace;
use crate::spec::FeedForward;

pub(super) fn feed_forward_block(ctx: &ForwardCtx<'_>, ws: &mut Workspace) {
    let model = ctx.model;
    let layer = &model.layers[ctx.layer_idx];
    let (n, d_model, d_ff) = (ctx.batch.n_tokens(), model.config.d_model, model.config.d_ff);
    let eps = model.config.norm_eps;
    let residual = &mut ws.residual[..n * d_model];
    let gated = &mut ws.gated[..n * d_ff];
    let delta = &mut ws.delta[..n * d_model];
    let FeedForward::Gated(activation) = model.spec.feed_forward;
    let input = Input { x: residual, norm: Some(Norm { gain: &layer.ffn_norm, eps }) };
    ws.compute.multiply_gated(input, [&layer.ffn_gate, &layer.ffn_up], activation, gated);
    let input = Input { x: gated, norm: None };
    ws.compute.multiply(input, [(&layer.ffn_down, &mut *delta)]);
    let post_norm = layer.post_ffw_norm.as_deref().map(|gain| Norm { gain, eps });
    add_delta(&mut ws.compute, post_norm, residual, delta, d_model);
}

/// `residual += delta`, or its norm where the residual is a sandwich; both `[n_tokens, d_model]`.
pub(super) fn add_delta(
    compute: &mut Compute,
    post_norm: Option<Norm<'_>>,
    residual: &mut [f32],
    delta: &mut [f32],
    d_model: usize,
) {
    let matrices = [(residual, d_model), (delta, d_model)];
    compute.for_each_row(matrices, |kernels, spare, _, [residual, delta]| match post_norm {
        None => (kernels.add)(residual, delta),
        Some(Norm { gain, eps }) => {
            let normed = &mut spare[..d_model];
            (kernels.rms_norm)(delta, gain, eps, normed);
            (kernels.add)(residual, normed);
        }
    });
}
