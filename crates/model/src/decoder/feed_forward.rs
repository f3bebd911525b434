//! `residual += down(activation(gate(norm(residual))) * up(norm(residual)))`, or without a gate.

use super::compute::{Compute, Input, Norm};
use super::forward::ForwardCtx;
use super::workspace::Workspace;
use crate::spec::FeedForward;
use crate::weights::NormWeights;

pub(super) fn feed_forward_block(ctx: &ForwardCtx<'_>, ws: &mut Workspace) {
    let model = ctx.model;
    let (c, layer) = (&model.config, &model.layers[ctx.layer_idx]);
    let (n, d_model) = (ctx.batch.n_tokens(), c.d_model);
    let residual = &mut ws.residual[..n * d_model];
    let gated = &mut ws.gated[..n * c.d_ff];
    let delta = &mut ws.delta[..n * d_model];
    let is_parallel = c.residual.is_parallel();
    let of_attention = layer.attn_norm.as_ref().filter(|_| is_parallel);
    let input_norm = layer.ffn_norm.as_ref().or(of_attention);
    let norm = |weights| Norm { weights, eps: c.norm_eps };
    let input = Input { x: residual, norm: input_norm.map(norm) };
    match (model.spec.feed_forward, &layer.ffn_gate) {
        (FeedForward::Gated(activation), Some(gate)) => {
            ws.compute.multiply_gated(input, [gate, &layer.ffn_up], activation, gated);
        }
        (FeedForward::Plain(activation), None) => {
            ws.compute.multiply_plain(input, &layer.ffn_up, activation, gated);
        }
        _ => unreachable!("loading follows the architecture"),
    }
    let add = AddDelta::new(ctx, None);
    if is_parallel {
        // What attention found was kept back, so that both read the same residual.
        add.run(&mut ws.compute, residual, delta);
    }
    let input = Input { x: gated, norm: None };
    ws.compute.multiply(input, [(&layer.ffn_down, &mut *delta)]);
    let add = AddDelta { norm: layer.post_ffw_norm.as_ref().map(norm), ..add };
    add.run(&mut ws.compute, residual, delta);
}

/// `residual += scale * norm(delta)`
pub(super) struct AddDelta<'a> {
    norm: Option<Norm<'a>>,
    scale: f32,
    d_model: usize,
}

impl<'a> AddDelta<'a> {
    pub(super) fn new(ctx: &ForwardCtx<'a>, norm: Option<&'a NormWeights>) -> Self {
        let c = &ctx.model.config;
        let norm = norm.map(|weights| Norm { weights, eps: c.norm_eps });
        Self { norm, scale: c.residual_scale, d_model: c.d_model }
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
                Some(norm) => {
                    let normed = &mut spare[..self.d_model];
                    norm.apply(kernels, delta, normed);
                    (kernels.add)(residual, normed);
                }
            }
        });
    }
}
