//! Why rows could not become a file.

use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(
        "{}: expected a name that ends in .json, .bertviz.json, .circuitsvis.json, .safetensors, \
         .npz or .parquet",
        path.display()
    )]
    Name { path: PathBuf },
    #[error("there are no rows; ask for a layer, a head and a query at least")]
    Empty,
    #[error(
        "the arrays need {n_bytes} bytes, more than the limit of {limit}; ask for fewer layers, \
         heads or queries, or for JSON or Parquet, which hold listed keys only"
    )]
    TooLarge { n_bytes: u64, limit: u64 },
    #[error(
        "layer {layer_idx}, head {head_idx}, query {query_pos}: the row lists its heaviest keys \
         only, the others weigh {tail}; ask for all keys, or for JSON or Parquet"
    )]
    Thinned { layer_idx: usize, head_idx: usize, query_pos: u32, tail: f32 },
    #[error(
        "layer {layer_idx}, head {head_idx}: no row of query {query_pos}; arrays need the same \
         queries in the same heads of each layer, JSON and Parquet do not"
    )]
    Missing { layer_idx: usize, head_idx: usize, query_pos: u32 },
    #[error("layer {layer_idx}, head {head_idx}, query {query_pos}: there are two such rows")]
    Twice { layer_idx: usize, head_idx: usize, query_pos: u32 },
    #[error(
        "{n_tokens} tokens are more than {viewer} can draw, at most {limit}; take a shorter text, \
         or JSON"
    )]
    TooLong { viewer: &'static str, n_tokens: usize, limit: usize },
    #[error("cannot write: {0}")]
    Io(#[from] io::Error),
    #[error("{}: cannot write: {cause}", path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error(transparent)]
    File(#[from] ::format::Error),
}

impl ExportError {
    /// Says which file it was that could not be written.
    pub(super) fn at(self, path: &Path) -> Self {
        match self {
            Self::Io(cause) => Self::Write { path: path.into(), cause },
            other => other,
        }
    }
}

impl From<serde_json::Error> for ExportError {
    fn from(err: serde_json::Error) -> Self {
        Self::Io(err.into())
    }
}

impl From<zip::result::ZipError> for ExportError {
    fn from(err: zip::result::ZipError) -> Self {
        Self::Io(err.into())
    }
}
