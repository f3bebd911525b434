//! Short texts for BertViz: what its head view takes as one element of `attention`.

use std::io::Write;

use serde::Serialize;

use super::grid::Grid;
use super::{Export, ExportError, N_DRAWN_TOKENS_MAX};

#[derive(Serialize)]
struct Document<'a> {
    /// `[n_layers, n_heads, n_queries, n_keys]`
    attn: Vec<Vec<Vec<Vec<f32>>>>,
    /// Of the queries and of the keys.
    left_text: Vec<&'a str>,
    right_text: &'a [String],
    /// Numbers of the layers and heads in the model.
    layers: &'a [usize],
    heads: &'a [usize],
}

pub(super) fn write(export: &Export<'_>, out: &mut dyn Write) -> Result<(), ExportError> {
    let pieces = export.tokens.pieces;
    let (n_tokens, limit) = (pieces.len(), N_DRAWN_TOKENS_MAX);
    if n_tokens > limit {
        return Err(ExportError::TooLong { viewer: "bertviz", n_tokens, limit });
    }
    let grid = Grid::of(export)?;
    let layer =
        |layer| (0..grid.heads.len()).map(|head| grid.head(layer, head).collect()).collect();
    let document = Document {
        attn: (0..grid.layers.len()).map(layer).collect(),
        left_text: grid.queries.iter().map(|&pos| &*pieces[pos as usize]).collect(),
        right_text: pieces,
        layers: &grid.layers,
        heads: &grid.heads,
    };
    Ok(serde_json::to_writer(out, &document)?)
}
