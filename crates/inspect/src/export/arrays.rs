//! Rows as arrays with names, for files that hold nothing else.

use super::grid::Grid;
use super::{Export, ExportError};

pub(super) struct Array {
    pub(super) name: &'static str,
    pub(super) shape: Vec<usize>,
    pub(super) kind: Kind,
    /// Little-endian, row-major.
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    F32,
    I64,
}

/// `attention [n_layers, n_heads, n_queries, n_keys]`, and the numbers of its layers, heads,
/// queries and tokens.
///
/// # Errors
/// Rows that are no [`Grid`], and more than `n_bytes_max`.
pub(super) fn of(export: &Export<'_>, n_bytes_max: u64) -> Result<Vec<Array>, ExportError> {
    let grid = Grid::of(export)?;
    let shape = vec![grid.layers.len(), grid.heads.len(), grid.queries.len(), grid.n_keys];
    let n_bytes = shape.iter().try_fold(4u64, |n_bytes, &n| n_bytes.checked_mul(n as u64));
    let n_bytes = n_bytes.unwrap_or(u64::MAX);
    if n_bytes > n_bytes_max {
        return Err(ExportError::TooLarge { n_bytes, limit: n_bytes_max });
    }
    let mut bytes = Vec::with_capacity(n_bytes as usize);
    for weights in grid.all() {
        bytes.extend(weights.iter().flat_map(|weight| weight.to_le_bytes()));
    }
    Ok(vec![
        Array { name: "attention", shape, kind: Kind::F32, bytes },
        integers("layers", grid.layers.iter().map(|&idx| idx as i64)),
        integers("heads", grid.heads.iter().map(|&idx| idx as i64)),
        integers("queries", grid.queries.iter().map(|&pos| pos.into())),
        integers("token_ids", export.tokens.ids.iter().map(|&id| id.into())),
    ])
}

fn integers(name: &'static str, values: impl Iterator<Item = i64>) -> Array {
    let bytes: Vec<u8> = values.flat_map(i64::to_le_bytes).collect();
    Array { name, shape: vec![bytes.len() / size_of::<i64>()], kind: Kind::I64, bytes }
}
