//! Watching a forward pass. Probes watch, they cannot change anything (A4).

use crate::batch::KeysOf;
use crate::shape::Rows;

/// One row of one attention matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadRow {
    /// Row of the batch.
    pub token_idx: usize,
    pub layer_idx: usize,
    /// Of the layer's two attentions, where an encoder has read a text.
    pub keys_of: KeysOf,
    pub head_idx: usize,
    pub query_pos: u32,
}

/// By-products of online softmax; they cost no second pass over the keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowStats {
    /// `ln(sum_k exp(score_k))`
    pub log_sum_exp: f32,
}

/// What a probe wants to know of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    Nothing,
    RowStats,
    /// A second pass over this row's keys.
    Weights,
}

/// Named activations of a layer (TransformerLens' names in brackets).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Site {
    /// Scaled embeddings, `[n_tokens, d_model]` (`embed`).
    Embedding,
    /// The residual stream after a layer, `[n_tokens, d_model]` (`resid_post`).
    Residual { layer_idx: usize },
    /// The normed final hidden state of the rows that want logits, `[n_logit_rows, d_model]`.
    OutputNorm,
}

/// Watches a forward pass.
pub trait Probe {
    /// `false` lets the compiler remove all probing.
    const WATCHES: bool = true;

    fn capture(&self, _at: HeadRow) -> Capture {
        Capture::Nothing
    }

    fn row_stats(&mut self, _at: HeadRow, _stats: &RowStats) {}

    /// `weights`: `[n_keys]` over all cached keys of the sequence, zero where the pattern hides
    /// the key; sums to one. `key_positions`: `[n_keys]`.
    fn weights(&mut self, _at: HeadRow, _key_positions: &[u32], _weights: &[f32]) {}

    fn activation(&mut self, _site: Site, _rows: Rows<'_>) {}
}

/// No probe: monomorphised away.
impl Probe for () {
    const WATCHES: bool = false;
}
