//! `residual += down(activation(gate(norm(residual))) * up(norm(residual)))`, or without a gate.

use super::compute::{Compute, Input, Norm};
use super::experts::experts_block;
use super::forward::ForwardCtx;
use super::workspace::Workspace;
use crate::spec::{FeedForward, Residual};
use crate::weights::{DenseWeights, FeedForwardWeights, NormWeights};

pub(super) fn feed_forward_block(ctx: &ForwardCtx<'_>, ws: &mut Workspace) {
    let (c, layer) = (&ctx.model.config, &ctx.model.layers[ctx.layer_idx]);
    let of_attention = layer.attn_norm.as_ref().filter(|_| c.residual.is_parallel());
    let norm = layer.ffn_norm.as_ref().or(of_attention);
    let norm = norm.map(|weights| Norm { weights, eps: c.norm_eps });
    match &layer.feed_forward {
        FeedForwardWeights::Dense(dense) => dense_block(ctx, dense, norm, ws),
        FeedForwardWeights::Experts(experts) => experts_block(ctx, experts, norm, ws),
    }
    let n_values = ctx.batch.n_tokens() * c.d_model;
    let (residual, delta) = (&mut ws.residual[..n_values], &mut ws.delta[..n_values]);
    AddDelta::new(ctx, layer.post_ffw_norm.as_ref()).run(&mut ws.compute, residual, delta);
}

/// Leaves what it found in `ws.delta`.
fn dense_block(
    ctx: &ForwardCtx<'_>,
    dense: &DenseWeights,
    norm: Option<Norm<'_>>,
    ws: &mut Workspace,
) {
    let (c, n) = (&ctx.model.config, ctx.batch.n_tokens());
    let residual = &mut ws.residual[..n * c.d_model];
    let gated = &mut ws.gated[..n * c.d_ff];
    let delta = &mut ws.delta[..n * c.d_model];
    let input = Input { x: residual, norm };
    match (c.feed_forward, &dense.gate) {
        (FeedForward::Gated(activation), Some(gate)) => {
            ws.compute.multiply_gated(input, [gate, &dense.up], activation, gated);
        }
        (FeedForward::Plain(activation), None) => {
            ws.compute.multiply_plain(input, &dense.up, activation, gated);
        }
        _ => unreachable!("loading follows the architecture"),
    }
    if c.residual.is_parallel() {
        // What attention found was kept back, so that both read the same residual.
        AddDelta::new(ctx, None).run(&mut ws.compute, residual, delta);
    }
    ws.compute.multiply(Input { x: gated, norm: None }, [(&dense.down, delta)]);
}

/// `residual += scale * norm(delta)`, or `residual = norm(residual + scale * delta)`
pub(super) struct AddDelta<'a> {
    norm: Option<Norm<'a>>,
    norms_sum: bool,
    scale: f32,
    d_model: usize,
}

impl<'a> AddDelta<'a> {
    pub(super) fn new(ctx: &ForwardCtx<'a>, norm: Option<&'a NormWeights>) -> Self {
        let c = &ctx.model.config;
        let norm = norm.map(|weights| Norm { weights, eps: c.norm_eps });
        let norms_sum = c.residual == Residual::NormOfSum;
        Self { norm, norms_sum, scale: c.residual_scale, d_model: c.d_model }
    }

    /// # Shapes
    /// - both `[n_tokens, d_model]`
    pub(super) fn run(&self, compute: &mut Compute, residual: &mut [f32], delta: &mut [f32]) {
        let matrices = [(residual, self.d_model), (delta, self.d_model)];
        compute.for_each_row(matrices, |kernels, spare, _, [residual, delta]| {
            if self.scale != 1.0 {
                delta.iter_mut().for_each(|x| *x *= self.scale);
            }
            match &self.norm {
                None => (kernels.add)(residual, delta),
                Some(norm) if self.norms_sum => {
                    let sum = &mut spare[..self.d_model];
                    sum.copy_from_slice(residual);
                    (kernels.add)(sum, delta);
                    norm.apply(kernels, sum, residual);
                }
                Some(norm) => {
                    let normed = &mut spare[..self.d_model];
                    norm.apply(kernels, delta, normed);
                    (kernels.add)(residual, normed);
                }
            }
        });
    }
}
