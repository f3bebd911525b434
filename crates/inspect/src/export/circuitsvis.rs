//! Short texts for CircuitsVis: the props of its component AttentionHeads.

use std::io::Write;

use serde::Serialize;

use super::grid::Grid;
use super::{Export, ExportError, N_DRAWN_TOKENS_MAX};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Props<'a> {
    /// `[n_layers * n_heads, n_tokens, n_tokens]`: queries, then keys.
    attention: Vec<Vec<Vec<f32>>>,
    attention_head_names: Vec<String>,
    tokens: &'a [String],
    mask_upper_tri: bool,
}

pub(super) fn write(export: &Export<'_>, out: &mut dyn Write) -> Result<(), ExportError> {
    let pieces = export.tokens.pieces;
    let (n_tokens, limit) = (pieces.len(), N_DRAWN_TOKENS_MAX);
    if n_tokens > limit {
        return Err(ExportError::TooLong { viewer: "CircuitsVis", n_tokens, limit });
    }
    let grid = Grid::of(export)?;
    // Its matrices are square: both sides have the same tokens.
    if let Some(pos) = (0..n_tokens as u32).find(|pos| !grid.queries.contains(pos)) {
        let (layer_idx, head_idx) = (grid.layers[0], grid.heads[0]);
        return Err(ExportError::Missing { layer_idx, head_idx, query_pos: pos });
    }
    let (n_layers, n_heads) = (grid.layers.len(), grid.heads.len());
    let places = (0..n_layers).flat_map(|layer| (0..n_heads).map(move |head| (layer, head)));
    let name =
        |(layer, head): (usize, usize)| format!("L{}H{}", grid.layers[layer], grid.heads[head]);
    let props = Props {
        attention: places.clone().map(|(layer, head)| grid.head(layer, head).collect()).collect(),
        attention_head_names: places.map(name).collect(),
        tokens: pieces,
        mask_upper_tri: true,
    };
    Ok(serde_json::to_writer(out, &props)?)
}
