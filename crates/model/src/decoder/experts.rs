//! A mixture of experts (Shazeer et al. 2017): `delta = sum_e w_e expert_e(norm(residual))` over
//! the few that a router chooses for each token. Only their weights are read.

use std::ops::Range;

use kernels::{Kernels, QuantizedTile, TILE_TOKENS};

use super::bands::Bands;
use super::compute::{Compute, Input, Norm};
use super::forward::ForwardCtx;
use super::routing::RoutingScratch;
use super::workspace::Workspace;
use crate::config::ModelConfig;
use crate::experts_config::ExpertsConfig;
use crate::spec::{Activation, FeedForward};
use crate::weights::{DenseWeights, ExpertWeights, SharedExpert};

/// Rows on their way through experts; empty where the model has none. `A` is the most pairs of a
/// token and an expert.
pub(super) struct ExpertBuffers {
    /// `[n_tokens, d_model]`
    normed: Vec<f32>,
    /// `[n_tokens, n_experts]`
    scores: Vec<f32>,
    routing: RoutingScratch,
    /// By expert, then by token.
    pairs: Vec<Pair>,
    /// Pairs of one expert.
    bands: Vec<Range<usize>>,
    /// `[A, d_model]`
    x: Vec<f32>,
    /// `[A, d_ff]`
    gated: Vec<f32>,
    /// `[A, d_model]`
    out: Vec<f32>,
    tiles: Vec<QuantizedTile>,
    tile_rows: Vec<Range<usize>>,
}

/// A token that goes through an expert.
#[derive(Clone, Copy)]
struct Pair {
    expert_idx: usize,
    token_idx: usize,
    weight: f32,
}

impl ExpertBuffers {
    pub(super) fn new(config: &ModelConfig, n_tokens_max: usize) -> Self {
        let (d_model, n) = (config.d_model, n_tokens_max);
        let Sizes { n_experts, n_pairs, d_ff, n_tiles } = Sizes::of(config, n);
        let floats = |n: usize| vec![0.0; n];
        let has_experts = usize::from(config.experts.is_some());
        let tile = || QuantizedTile::with_capacity(d_model.max(d_ff));
        Self {
            normed: floats(has_experts * n * d_model),
            scores: floats(n * n_experts),
            routing: RoutingScratch::new(config.experts),
            pairs: Vec::with_capacity(n_pairs),
            bands: Vec::with_capacity(n_experts),
            x: floats(n_pairs * d_model),
            gated: floats(n_pairs * d_ff),
            out: floats(n_pairs * d_model),
            tiles: (0..n_tiles).map(|_| tile()).collect(),
            tile_rows: Vec::with_capacity(n_tiles),
        }
    }

    /// Bytes that [`Self::new`] allocates.
    pub(super) fn n_bytes(config: &ModelConfig, n_tokens_max: usize) -> usize {
        let (d_model, n) = (config.d_model, n_tokens_max);
        let Sizes { n_experts, n_pairs, d_ff, n_tiles } = Sizes::of(config, n);
        let has_experts = usize::from(config.experts.is_some());
        let n_floats = has_experts * n * d_model + n * n_experts + n_pairs * (2 * d_model + d_ff);
        let tile_bytes = size_of::<QuantizedTile>()
            + QuantizedTile::n_bytes(d_model.max(d_ff))
            + size_of::<Range<usize>>();
        n_floats * size_of::<f32>()
            + RoutingScratch::n_bytes(config.experts)
            + n_pairs * size_of::<Pair>()
            + n_experts * size_of::<Range<usize>>()
            + n_tiles * tile_bytes
    }

    /// Fills `pairs` and `bands` from the scores of each token.
    fn route(
        &mut self,
        kernels: &Kernels,
        experts: &ExpertsConfig,
        bias: Option<&[f32]>,
        n_tokens: usize,
    ) {
        self.pairs.clear();
        let rows = self.scores.chunks_exact_mut(experts.n_experts).take(n_tokens);
        for (token_idx, scores) in rows.enumerate() {
            let chosen = self.routing.choose(kernels, experts, bias, scores);
            let pair = |(expert_idx, weight)| Pair { expert_idx, token_idx, weight };
            self.pairs.extend(chosen.map(pair));
        }
        self.pairs.sort_unstable_by_key(|pair| (pair.expert_idx, pair.token_idx));
        self.bands.clear();
        let mut start = 0;
        for of_expert in self.pairs.chunk_by(|a, b| a.expert_idx == b.expert_idx) {
            self.bands.push(start..start + of_expert.len());
            start += of_expert.len();
        }
    }
}

/// Of the buffers of a batch; zeros where there are no experts.
struct Sizes {
    n_experts: usize,
    n_pairs: usize,
    d_ff: usize,
    /// Each expert may have one that is not full.
    n_tiles: usize,
}

impl Sizes {
    fn of(config: &ModelConfig, n_tokens: usize) -> Self {
        let (n_experts, n_used, d_ff) = match config.experts {
            None => (0, 0, 0),
            Some(experts) => (experts.n_experts, experts.n_used, experts.d_ff),
        };
        let n_pairs = n_tokens * n_used;
        let n_tiles = n_pairs.min(n_pairs / TILE_TOKENS + n_experts);
        Self { n_experts, n_pairs, d_ff, n_tiles }
    }
}

/// Leaves what the experts found in `ws.delta`.
pub(super) fn experts_block(
    ctx: &ForwardCtx<'_>,
    weights: &ExpertWeights,
    norm: Option<Norm<'_>>,
    ws: &mut Workspace,
) {
    let c = &ctx.model.config;
    let (n, d) = (ctx.batch.n_tokens(), c.d_model);
    let experts = c.experts.expect("weights of experts come with their numbers");
    let FeedForward::Gated(activation) = c.feed_forward else {
        unreachable!("experts have gates");
    };
    let Workspace { compute, residual, delta, gated, experts: buffers, .. } = ws;
    let (residual, delta) = (&residual[..n * d], &mut delta[..n * d]);
    let kernels = compute.kernels;
    compute.for_each_row([(&mut buffers.normed[..n * d], d)], |kernels, _, token_idx, [row]| {
        let residual = &residual[token_idx * d..][..d];
        match norm {
            Some(norm) => norm.apply(kernels, residual, row),
            None => row.copy_from_slice(residual),
        }
    });
    let input = Input { x: &buffers.normed[..n * d], norm: None };
    let scores = &mut buffers.scores[..n * experts.n_experts];
    compute.multiply(input, [(&weights.router, scores)]);
    buffers.route(kernels, &experts, weights.selection_bias.as_deref(), n);
    run_experts(compute, (weights, activation), experts.d_ff, d, buffers);
    add_up(kernels, buffers, d, delta);
    if let Some(shared) = &weights.shared {
        let gated = &mut gated[..n * shared.weights.up.weight.n_out];
        // The experts' results are added up: their buffer is free.
        let out = &mut buffers.out[..n * d];
        add_shared(compute, (shared, activation), &buffers.normed[..n * d], gated, out, delta);
    }
}

/// `buffers.out` of every pair: gate and up of all bands, then down of all.
fn run_experts(
    compute: &mut Compute,
    (weights, activation): (&ExpertWeights, Activation),
    d_ff: usize,
    d_model: usize,
    buffers: &mut ExpertBuffers,
) {
    let ExpertBuffers { normed, pairs, bands, x, gated, out, tiles, tile_rows, .. } = buffers;
    let n_pairs = pairs.len();
    let x = &mut x[..n_pairs * d_model];
    compute.for_each_row([(&mut *x, d_model)], |_, _, pair_idx, [row]| {
        row.copy_from_slice(&normed[pairs[pair_idx].token_idx * d_model..][..d_model]);
    });
    let expert = |band_idx: usize| -> &DenseWeights {
        let Range { start, .. } = bands[band_idx];
        &weights.experts[pairs[start].expert_idx]
    };
    let gated = &mut gated[..n_pairs * d_ff];
    let mut all = Bands { bands, tiles, tile_rows };
    all.multiply_gated(compute, x, activation, gated, |band_idx| {
        let dense = expert(band_idx);
        [dense.gate.as_ref().expect("experts have gates"), &dense.up]
    });
    all.multiply(compute, gated, &mut out[..n_pairs * d_model], |band_idx| &expert(band_idx).down);
}

/// `delta = sum weight * out` over the experts of each token, in their order.
fn add_up(kernels: &Kernels, buffers: &mut ExpertBuffers, d_model: usize, delta: &mut [f32]) {
    delta.fill(0.0);
    let rows = buffers.out.chunks_exact_mut(d_model);
    for (pair, row) in buffers.pairs.iter().zip(rows) {
        row.iter_mut().for_each(|x| *x *= pair.weight);
        (kernels.add)(&mut delta[pair.token_idx * d_model..][..d_model], row);
    }
}

/// `delta += sigmoid(gate . x) * shared(x)`, or without the first factor.
fn add_shared(
    compute: &mut Compute,
    (shared, activation): (&SharedExpert, Activation),
    normed: &[f32],
    gated: &mut [f32],
    out: &mut [f32],
    delta: &mut [f32],
) {
    let SharedExpert { weights, gate } = shared;
    let (d, kernels) = (weights.down.weight.n_out, compute.kernels);
    let input = Input { x: normed, norm: None };
    let matrices = [weights.gate.as_ref().expect("experts have gates"), &weights.up];
    compute.multiply_gated(input, matrices, activation, gated);
    compute.multiply(Input { x: gated, norm: None }, [(&weights.down, &mut *out)]);
    let rows = normed.chunks_exact(d).zip(out.chunks_exact_mut(d));
    for ((x, out), delta) in rows.zip(delta.chunks_exact_mut(d)) {
        if let Some(gate) = gate {
            let score: f32 = x.iter().zip(gate).map(|(x, gate)| x * gate).sum();
            let share = 1.0 / (1.0 + (-score).exp());
            out.iter_mut().for_each(|x| *x *= share);
        }
        (kernels.add)(delta, out);
    }
}
