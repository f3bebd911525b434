//! Watching a forward pass. Probes watch, they cannot change anything (A4).

use std::ops::Range;

use bytemuck::{Pod, Zeroable};

use crate::attention::ValueReader;
use crate::batch::KeysOf;
use crate::shape::Rows;

/// One attention of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LayerAt {
    pub layer_idx: usize,
    /// Of the layer's two attentions, where an encoder has read a text.
    pub keys_of: KeysOf,
}

/// One token's rows in one attention, a row a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowsAt {
    pub layer: LayerAt,
    /// Row of the batch.
    pub token_idx: usize,
    pub query_pos: u32,
}

/// By-products of online softmax over the weights `w` of one row; they cost no second pass over the
/// keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct RowStats {
    /// `ln(sum_k exp(score_k))`, a learned sink included.
    pub log_sum_exp: f32,
    /// `-sum_k w_k ln(w_k)` in nats, over the keys of the text.
    pub entropy: f32,
    /// The weight of the text's first key, where attention goes that is needed nowhere (Xiao et al.
    /// 2024).
    pub first: f32,
    /// What the last [`N_LOCAL`] keys up to the query's own weigh together.
    pub local: f32,
    /// How far back the query looks in the mean, in keys: `sum_k w_k (query_pos - key_pos)` over
    /// `sum_k w_k`.
    pub distance: f32,
}

/// Keys that count as near.
pub const N_LOCAL: usize = kernels::KEY_BLOCK;

impl RowStats {
    /// Numbers of one row.
    pub const N: usize = size_of::<Self>() / size_of::<f32>();
}

/// What a layer's attention was like for all rows of a batch.
#[derive(Clone, Copy)]
pub struct Statistics<'a> {
    pub(crate) n_heads: usize,
    pub(crate) n_blocks: usize,
    pub(crate) rows: &'a [RowStats],
    pub(crate) bands: &'a [Range<usize>],
    pub(crate) masses: &'a [f32],
}

impl<'a> Statistics<'a> {
    pub fn row(&self, token_idx: usize, head_idx: usize) -> &'a RowStats {
        &self.rows[token_idx * self.n_heads + head_idx]
    }

    /// Rows of the batch whose masses are summed: tokens of one sequence within 64 positions that
    /// begin at a multiple of 64, ascending.
    pub fn bands(&self) -> &'a [Range<usize>] {
        self.bands
    }

    /// What each block of 64 keys weighs, summed over the tokens of a band: `[n_blocks]`, of the
    /// longest sequence in the batch.
    pub fn masses(&self, band_idx: usize, head_idx: usize) -> &'a [f32] {
        let row_idx = band_idx * self.n_heads + head_idx;
        &self.masses[row_idx * self.n_blocks..][..self.n_blocks]
    }
}

/// All weights of one token in one attention, found by a second pass over the keys.
pub struct RowWeights<'a> {
    /// `[n_keys]`
    pub key_positions: &'a [u32],
    /// `[n_heads, n_keys]` over all cached keys of the sequence, zero where the pattern hides a key
    /// or a policy let go of it; each row sums to one less its sink.
    pub weights: &'a [f32],
    /// `[n_heads]`: the weights of learned sinks, which stand for no token; zero where there are
    /// none.
    pub sinks: &'a [f32],
    /// `[n_heads]`
    pub log_sum_exp: &'a [f32],
    pub values: ValueReader<'a>,
}

impl RowWeights<'_> {
    /// `[n_keys]`
    pub fn of_head(&self, head_idx: usize) -> &[f32] {
        let n_keys = self.key_positions.len();
        &self.weights[head_idx * n_keys..][..n_keys]
    }
}

/// Named activations of a layer (TransformerLens' names in brackets).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Site {
    /// Scaled embeddings, `[n_tokens, d_model]` (`embed`).
    Embedding,
    /// What attention found, before it is normed, scaled and added to the residual,
    /// `[n_tokens, d_model]` (`attn_out`, where neither is done).
    AttentionOutput(LayerAt),
    /// The residual stream after a layer, `[n_tokens, d_model]` (`resid_post`).
    Residual { layer_idx: usize },
    /// The normed final hidden state of the rows that want logits, `[n_logit_rows, d_model]`.
    OutputNorm,
}

/// Watches a forward pass.
pub trait Probe {
    /// `false` lets the compiler remove all probing.
    const WATCHES: bool = true;

    /// Whether [`Probe::statistics`] is to be called.
    fn wants_statistics(&self, _layer: LayerAt) -> bool {
        false
    }

    /// Whether [`Probe::weights`] is to be called.
    fn wants_weights(&self, _at: RowsAt) -> bool {
        false
    }

    fn statistics(&mut self, _layer: LayerAt, _found: &Statistics<'_>) {}

    fn weights(&mut self, _at: RowsAt, _found: &mut RowWeights<'_>) {}

    fn activation(&mut self, _site: Site, _rows: Rows<'_>) {}
}

/// No probe: monomorphised away.
impl Probe for () {
    const WATCHES: bool = false;
}
