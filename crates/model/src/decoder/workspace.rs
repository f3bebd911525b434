//! Every buffer of a forward pass, with its shape; read this and you know the program.

use kernels::table::Tile;
use kernels::{F32Panel, IntPanel, Kernels, PANEL_ROWS, QuantizedTile, TILE_TOKENS};

use super::attention_block::stored_value_width;
use super::compute::{Compute, Prepared};
use super::experts::ExpertBuffers;
use super::latent::LatentBuffers;
use super::product::STRIP_PANELS;
use super::ropes::Ropes;
use super::show::ShownRows;
use crate::attention::{AttendBuffers, AttendScratch, AttentionParams};
use crate::config::ModelConfig;
use crate::kv::KvWrites;
use crate::pool::ThreadPool;
use crate::weights::Model;

/// The largest forward pass that a [`Workspace`] can hold, and the longest text that it is for.
#[derive(Clone, Copy, Debug)]
pub struct WorkspaceSize {
    /// Positions of a text: what rotates keys may depend on it, so texts of one cache share it. A
    /// longer text is computed all the same.
    pub n_ctx: usize,
    /// Rows of a batch.
    pub n_tokens_max: usize,
    /// Rows of one [`crate::unembed`].
    pub n_logit_rows_max: usize,
}

pub struct Workspace {
    pub(super) size: WorkspaceSize,
    pub(super) compute: Compute,
    /// `[n_tokens, d_model]`
    pub(super) residual: Vec<f32>,
    /// `[n_tokens, d_model]`: what a block adds to the residual.
    pub(super) delta: Vec<f32>,
    /// `[n_tokens, n_heads, head_dim]`
    pub(super) q: Vec<f32>,
    /// `[n_tokens, n_kv_heads, head_dim]`
    pub(super) k: Vec<f32>,
    /// `[n_tokens, n_kv_heads, head_dim]`, or empty: values are a part of keys.
    pub(super) v: Vec<f32>,
    /// `[n_tokens, n_heads, value_dim]`
    pub(super) attn_out: Vec<f32>,
    pub(super) latent: LatentBuffers,
    /// `[n_tokens, n_heads]`
    pub(super) log_sum_exp: Vec<f32>,
    pub(super) attend: AttendBuffers,
    pub(super) kv_writes: KvWrites,
    /// `[n_tokens, d_ff]`, or as wide as an expert that all tokens go through
    pub(super) gated: Vec<f32>,
    pub(super) experts: ExpertBuffers,
    pub(super) ropes: Ropes,
    /// `[n_tokens, d_model]`: normed final hidden states of the rows that want logits.
    pub(super) hidden: Vec<f32>,
    /// `[n_logit_rows, n_vocab]`
    pub(super) logits: Vec<f32>,
    /// First key index of each sequence of the batch.
    pub(super) first_keys: Vec<usize>,
    pub(super) shown: ShownRows,
}

pub(super) struct ThreadScratch {
    pub(super) panels: Panels,
    /// Results of one or two products: `[max(n_tokens / TILE_TOKENS, STRIP_PANELS)]` each.
    pub(super) results: [Vec<Tile>; 2],
    /// `[TILE_TOKENS, n_in]`
    pub(super) normed: Vec<f32>,
    pub(super) attend: AttendScratch,
}

/// Weight rows on their way from the file to a product.
pub(super) struct Panels {
    pub(super) int: IntPanel,
    pub(super) f32: F32Panel,
}

impl AsMut<AttendScratch> for ThreadScratch {
    fn as_mut(&mut self) -> &mut AttendScratch {
        &mut self.attend
    }
}

impl Workspace {
    pub fn new(
        model: &Model,
        kernels: &'static Kernels,
        pool: ThreadPool,
        size: WorkspaceSize,
    ) -> Self {
        let c = &model.config;
        let n = size.n_tokens_max;
        let params = attention_params(c);
        let n_in_max = n_in_max(c);
        let n_tiles = n.max(size.n_logit_rows_max).div_ceil(TILE_TOKENS);
        let results = || vec![[[0.0; PANEL_ROWS]; TILE_TOKENS]; n_tiles.max(STRIP_PANELS)];
        let thread = || ThreadScratch {
            panels: Panels {
                int: IntPanel::with_capacity(n_in_max),
                f32: F32Panel::with_capacity(n_in_max),
            },
            results: [results(), results()],
            normed: vec![0.0; TILE_TOKENS * n_in_max],
            attend: AttendScratch::new(&params),
        };
        let scratch = (0..pool.n_threads()).map(|_| thread()).collect();
        let tiles = (0..n_tiles).map(|_| QuantizedTile::with_capacity(n_in_max)).collect();
        let floats = |width: usize| vec![0.0; n * width];
        Self {
            size,
            compute: Compute {
                kernels,
                pool,
                scratch,
                prepared: Prepared {
                    arithmetic: model.arithmetic,
                    tiles,
                    normed: floats(normed_width(c)),
                },
            },
            residual: floats(c.d_model),
            delta: floats(c.d_model),
            q: floats(c.n_heads * c.head_dim),
            k: floats(c.n_kv_heads * c.head_dim),
            v: floats(stored_value_width(c)),
            attn_out: floats(c.n_heads * params.value_dim()),
            latent: LatentBuffers::new(c, n),
            log_sum_exp: floats(c.n_heads),
            attend: AttendBuffers::new(&params, n),
            kv_writes: KvWrites::new((c.n_kv_heads, c.head_dim), n),
            gated: floats(gated_width(c)),
            experts: ExpertBuffers::new(c, n),
            ropes: Ropes::new(c, size.n_ctx, n),
            hidden: floats(c.d_model),
            logits: vec![0.0; size.n_logit_rows_max * c.n_vocab],
            first_keys: Vec::with_capacity(n),
            shown: ShownRows::default(),
        }
    }

    pub fn size(&self) -> WorkspaceSize {
        self.size
    }
}

impl WorkspaceSize {
    /// Bytes that [`Workspace::new`] allocates, before it does; what the threads themselves take
    /// from the system, and what a probe is shown, not counted.
    pub fn n_bytes(&self, config: &ModelConfig, n_threads: usize) -> usize {
        const F32: usize = size_of::<f32>();
        let (c, n) = (config, self.n_tokens_max);
        let params = attention_params(c);
        let n_in_max = n_in_max(c);
        let n_tiles = n.max(self.n_logit_rows_max).div_ceil(TILE_TOKENS);
        let thread_bytes = size_of::<ThreadScratch>()
            + IntPanel::n_bytes(n_in_max)
            + F32Panel::n_bytes(n_in_max)
            + 2 * n_tiles.max(STRIP_PANELS) * size_of::<Tile>()
            + TILE_TOKENS * n_in_max * F32
            + AttendScratch::n_bytes(&params);
        let tile_bytes = size_of::<QuantizedTile>() + QuantizedTile::n_bytes(n_in_max);
        let (q_width, kv_width) = (c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim);
        let out_width = c.n_heads * params.value_dim();
        // Residual, delta and hidden; normed; q and attention's result; k and v.
        let token_floats = 3 * c.d_model
            + normed_width(c)
            + q_width
            + out_width
            + kv_width
            + stored_value_width(c)
            + c.n_heads
            + gated_width(c);
        n_threads * thread_bytes
            + n_tiles * tile_bytes
            + n * token_floats * F32
            + Ropes::n_bytes(c, n)
            + self.n_logit_rows_max * c.n_vocab * F32
            + AttendBuffers::n_bytes(&params, n)
            + ExpertBuffers::n_bytes(c, n)
            + LatentBuffers::n_bytes(c, n)
            + KvWrites::n_bytes((c.n_kv_heads, c.head_dim), n)
            + n * size_of::<usize>()
    }
}

/// Columns of the widest matrix.
fn n_in_max(c: &ModelConfig) -> usize {
    let d_ff_expert = c.experts.map_or(0, |experts| experts.d_ff);
    let of_layer = c.d_model.max(gated_width(c)).max(d_ff_expert).max(c.n_heads * c.head_dim);
    let latent = c.latent.map_or(0, |latent| latent.d_query.unwrap_or(0).max(latent.d_plain));
    of_layer.max(latent).max(c.found_width())
}

/// Of what all tokens go through.
fn gated_width(c: &ModelConfig) -> usize {
    c.d_ff.max(c.experts.and_then(|experts| experts.d_ff_shared).unwrap_or(0))
}

/// Columns of the widest matrix whose input is normed first.
fn normed_width(c: &ModelConfig) -> usize {
    c.d_model.max(c.latent.and_then(|latent| latent.d_query).unwrap_or(0))
}

pub(super) fn attention_params(c: &ModelConfig) -> AttentionParams {
    AttentionParams {
        n_heads: c.n_heads,
        n_kv_heads: c.n_kv_heads,
        head_dim: c.head_dim,
        values: c.value_place(),
        scale: c.attn_scale,
        softcap: c.attn_softcap,
    }
}
