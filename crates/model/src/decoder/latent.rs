//! Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1) in its absorbed form:
//! queries are brought to the latent vectors that are cached, what they find is brought back to the
//! heads. See [`crate::latent_config::LatentConfig`].

use std::ops::Range;

use kernels::{Kernels, QuantizedTile, TILE_TOKENS};

use super::bands::Bands;
use super::compute::{Compute, Input, Norm};
use super::forward::ForwardCtx;
use super::ropes::Rope;
use super::workspace::Workspace;
use crate::attention::rotate;
use crate::config::ModelConfig;
use crate::kv::spread;
use crate::latent_config::{LATENT_NORM_EPS, LatentConfig};
use crate::weights::{LatentWeights, Linear};

/// Rows on their way between heads and latent vectors; empty where attention is not latent.
pub(super) struct LatentBuffers {
    /// `[n_tokens, d_query]`
    query: Vec<f32>,
    /// `[n_tokens, d_latent + rope_dim]`: keys as they are projected, latent vector first
    key: Vec<f32>,
    /// `[n_tokens, n_heads, d_plain + rope_dim]`: queries as they are projected; later
    /// `[n_tokens, n_heads, d_value]`: what heads have found
    heads: Vec<f32>,
    /// `[n_heads, n_tokens, d_plain]`, later `[n_heads, n_tokens, d_value]`
    parts: Vec<f32>,
    /// `[n_heads, n_tokens, d_latent]`
    latents: Vec<f32>,
    /// Rows of each head.
    bands: Vec<Range<usize>>,
    tiles: Vec<QuantizedTile>,
    tile_rows: Vec<Range<usize>>,
}

/// Widths of the buffers, for one token.
struct Sizes {
    query: usize,
    key: usize,
    heads: usize,
    parts: usize,
    latents: usize,
    /// Rows of one token, with a band of tiles each.
    n_heads: usize,
    /// Columns of a tile.
    n_in: usize,
}

impl Sizes {
    fn of(config: &ModelConfig) -> Option<Self> {
        let LatentConfig { d_query, d_latent, d_plain, d_value } = config.latent?;
        let (n_heads, rope_dim) = (config.n_heads, config.rope_full.rope_dim);
        Some(Self {
            query: d_query.unwrap_or(0),
            key: d_latent + rope_dim,
            heads: n_heads * (d_plain + rope_dim).max(d_value),
            parts: n_heads * d_plain.max(d_value),
            latents: n_heads * d_latent,
            n_heads,
            n_in: d_plain.max(d_latent),
        })
    }
}

impl LatentBuffers {
    pub(super) fn new(config: &ModelConfig, n_tokens_max: usize) -> Self {
        let n = n_tokens_max;
        let floats = |width: usize| vec![0.0; n * width];
        let sizes = Sizes::of(config);
        let width = |of: fn(&Sizes) -> usize| floats(sizes.as_ref().map_or(0, of));
        let (n_heads, n_in) = sizes.as_ref().map_or((0, 0), |sizes| (sizes.n_heads, sizes.n_in));
        let n_tiles = n_heads * n.div_ceil(TILE_TOKENS);
        Self {
            query: width(|sizes| sizes.query),
            key: width(|sizes| sizes.key),
            heads: width(|sizes| sizes.heads),
            parts: width(|sizes| sizes.parts),
            latents: width(|sizes| sizes.latents),
            bands: Vec::with_capacity(n_heads),
            tiles: (0..n_tiles).map(|_| QuantizedTile::with_capacity(n_in)).collect(),
            tile_rows: Vec::with_capacity(n_tiles),
        }
    }

    /// Bytes that [`Self::new`] allocates.
    pub(super) fn n_bytes(config: &ModelConfig, n_tokens_max: usize) -> usize {
        let Some(sizes) = Sizes::of(config) else { return 0 };
        let Sizes { query, key, heads, parts, latents, n_heads, n_in } = sizes;
        let n_floats = n_tokens_max * (query + key + heads + parts + latents);
        let tile_bytes = size_of::<QuantizedTile>() + QuantizedTile::n_bytes(n_in);
        n_floats * size_of::<f32>()
            + n_heads * size_of::<Range<usize>>()
            + n_heads
                * n_tokens_max.div_ceil(TILE_TOKENS)
                * (tile_bytes + size_of::<Range<usize>>())
    }

    /// What heads have found: `[n_tokens, n_heads * d_value]`.
    pub(super) fn found(&self, n_tokens: usize, found_width: usize) -> &[f32] {
        &self.heads[..n_tokens * found_width]
    }

    /// `out = matrix_h x` for the rows of each head `h`: `x`, `out` are two of the buffers.
    fn multiply(
        bands: &mut Vec<Range<usize>>,
        (tiles, tile_rows): (&mut [QuantizedTile], &mut Vec<Range<usize>>),
        compute: &mut Compute,
        (n_tokens, matrices): (usize, &[Linear]),
        [x, out]: [&mut [f32]; 2],
    ) {
        bands.clear();
        bands.extend((0..matrices.len()).map(|head| head * n_tokens..(head + 1) * n_tokens));
        let mut all = Bands { bands, tiles, tile_rows };
        all.multiply(compute, x, out, |head_idx| &matrices[head_idx]);
    }
}

/// Fills `ws.q` and `ws.k` of a layer: both `[rotated part | latent part]`, spread where the type
/// of the keys wants that.
pub(super) fn project(
    ctx: &ForwardCtx<'_>,
    weights: &LatentWeights,
    is_spread: bool,
    ws: &mut Workspace,
) {
    let (c, n) = (&ctx.model.config, ctx.batch.n_tokens());
    let layer = &ctx.model.layers[ctx.layer_idx];
    let latent = c.latent.expect("weights of latent attention come with their numbers");
    let LatentConfig { d_query, d_latent, d_plain, .. } = latent;
    let (rope_dim, n_heads, d) = (c.rope_full.rope_dim, c.n_heads, c.head_dim);
    let Workspace { compute, residual, latent: buffers, q, k, ropes, .. } = ws;
    let LatentBuffers { query, key, heads, parts, latents, bands, tiles, tile_rows } = buffers;
    let key = &mut key[..n * d];
    let head_width = d_plain + rope_dim;
    let heads = &mut heads[..n * n_heads * head_width];

    let norm = layer.attn_norm.as_ref().map(|weights| Norm { weights, eps: c.norm_eps });
    let input = Input { x: &residual[..n * c.d_model], norm };
    match &weights.query {
        None => {
            compute.multiply(input, [(&weights.attn_q, &mut *heads), (&weights.attn_kv_a, key)])
        }
        Some(first) => {
            let query = &mut query[..n * d_query.expect("a width for each matrix")];
            compute.multiply(input, [(&first.linear, &mut *query), (&weights.attn_kv_a, key)]);
            let norm = Some(Norm { weights: &first.norm, eps: LATENT_NORM_EPS });
            compute.multiply(Input { x: query, norm }, [(&weights.attn_q, &mut *heads)]);
        }
    }
    let rope = ropes.of(c, ctx.layer_idx);
    let turn = |kernels: &Kernels, token_idx: usize, head: &mut [f32]| {
        turn((kernels, rope, token_idx), c, is_spread, head);
    };
    let (key, heads) = (&buffers.key[..n * d], &*heads);
    compute.for_each_row([(&mut k[..n * d], d)], |kernels, _, token_idx, [row]| {
        let (latent, rotated) = key[token_idx * d..][..d].split_at(d_latent);
        row[..rope_dim].copy_from_slice(rotated);
        let norm = Norm { weights: &weights.attn_kv_a_norm, eps: LATENT_NORM_EPS };
        norm.apply(kernels, latent, &mut row[rope_dim..]);
        turn(kernels, token_idx, row);
    });

    let parts = &mut parts[..n * n_heads * d_plain];
    compute.for_each_row([(&mut *parts, d_plain)], |_, _, row_idx, [row]| {
        let (head_idx, token_idx) = (row_idx / n, row_idx % n);
        row.copy_from_slice(&heads[(token_idx * n_heads + head_idx) * head_width..][..d_plain]);
    });
    let latents = &mut latents[..n * n_heads * d_latent];
    let (room, matrices) = ((&mut **tiles, tile_rows), (n, &*weights.attn_k_b));
    LatentBuffers::multiply(bands, room, compute, matrices, [parts, &mut *latents]);
    let q = &mut q[..n * n_heads * d];
    compute.for_each_row([(q, n_heads * d)], |kernels, _, token_idx, [row]| {
        for (head_idx, row) in row.chunks_exact_mut(d).enumerate() {
            let head = &heads[(token_idx * n_heads + head_idx) * head_width..][..head_width];
            row[..rope_dim].copy_from_slice(&head[d_plain..]);
            let latent = &latents[(head_idx * n + token_idx) * d_latent..][..d_latent];
            row[rope_dim..].copy_from_slice(latent);
            turn(kernels, token_idx, row);
        }
    });
}

/// Rotates the head of a query or key, and spreads it.
fn turn(
    (kernels, rope, token_idx): (&Kernels, &Rope, usize),
    config: &ModelConfig,
    is_spread: bool,
    head: &mut [f32],
) {
    let [cos, sin] = rope.angles(token_idx);
    rotate(kernels, config.rope_pairing, head, cos, sin);
    if is_spread {
        spread(kernels, head, config.rope_full.rope_dim);
    }
}

/// Brings the latent vectors in `ws.attn_out`, one for each head, back to the heads.
pub(super) fn expand(ctx: &ForwardCtx<'_>, weights: &LatentWeights, ws: &mut Workspace) {
    let (c, n) = (&ctx.model.config, ctx.batch.n_tokens());
    let latent = c.latent.expect("weights of latent attention come with their numbers");
    let LatentConfig { d_latent, d_value, .. } = latent;
    let n_heads = c.n_heads;
    let Workspace { compute, latent: buffers, attn_out, .. } = ws;
    let LatentBuffers { heads, parts, latents, bands, tiles, tile_rows, .. } = buffers;
    let latents = &mut latents[..n * n_heads * d_latent];
    compute.for_each_row([(&mut *latents, d_latent)], |_, _, row_idx, [row]| {
        let (head_idx, token_idx) = (row_idx / n, row_idx % n);
        row.copy_from_slice(&attn_out[(token_idx * n_heads + head_idx) * d_latent..][..d_latent]);
    });
    let parts = &mut parts[..n * n_heads * d_value];
    let (room, matrices) = ((&mut **tiles, tile_rows), (n, &*weights.attn_v_b));
    LatentBuffers::multiply(bands, room, compute, matrices, [latents, &mut *parts]);
    let heads = &mut heads[..n * n_heads * d_value];
    compute.for_each_row([(heads, n_heads * d_value)], |_, _, token_idx, [row]| {
        for (head_idx, row) in row.chunks_exact_mut(d_value).enumerate() {
            row.copy_from_slice(&parts[(head_idx * n + token_idx) * d_value..][..d_value]);
        }
    });
}
