//! Why a model could not be loaded.

use std::fmt::Display;

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Format(#[from] format::Error),
    #[error(
        "architecture {found:?} is not supported{}; docs/models.md lists those that are",
        nearest.map(|name| format!(", {name:?} is")).unwrap_or_default()
    )]
    UnknownArchitecture { found: String, nearest: Option<&'static str> },
    #[error(
        "this file holds only what a model sees or hears with (mmproj); give the file of the model \
         itself, which answers texts without it"
    )]
    OnlySenses,
    #[error("config: {key}: expected {expected}, found {found}")]
    Config { key: String, expected: String, found: String },
    /// `expected` is empty where the tensor itself would have told.
    #[error(
        "tensor {name} is missing{}",
        if expected.is_empty() { String::new() } else { format!(": expected shape {expected:?}") }
    )]
    MissingTensor { name: String, expected: Vec<usize> },
    #[error("tensor {name}: expected shape {expected:?}, found {found:?}")]
    TensorShape { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("tensor {name}: expected type {expected}, found {found}")]
    TensorType { name: String, expected: &'static str, found: &'static str },
    #[error(
        "weights that are quantised by {found:?} cannot be read, those by gptq, awq, fp8, \
         mxfp4 and compressed-tensors (FP8, packed integers) can: take the model's folder of \
         floats, or a GGUF file of it"
    )]
    UnknownQuantization { found: String },
    #[error("tensor {name}: value {value_idx} is {found}, expected a finite number")]
    NotFinite { name: String, value_idx: usize, found: f32 },
    #[error(
        "tensor {name} is not used by architecture {architecture}: the file holds another kind of \
         model than it says"
    )]
    SuperfluousTensor { name: String, architecture: &'static str },
}

impl LoadError {
    pub(crate) fn config(key: &str, expected: String, found: impl Display) -> Self {
        Self::Config { key: key.into(), expected, found: found.to_string() }
    }
}
