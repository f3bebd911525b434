//! What can be wrong with a model file.

use std::io;
use std::path::{Path, PathBuf};

use kernels::DType;

/// Every variant names the file, the place in it, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: cannot {action}: {cause}", file.display())]
    Io { file: PathBuf, action: &'static str, cause: io::Error },
    #[error("{}: expected a regular file, found something else", file.display())]
    NotAFile { file: PathBuf },
    #[error(
        "{}: not a GGUF file: expected it to start with \"GGUF\", found {found:?}",
        file.display()
    )]
    NotGguf { file: PathBuf, found: String },
    #[error(
        "{}: this is a big-endian GGUF file (version {version}); convert it to little-endian first",
        file.display()
    )]
    BigEndian { file: PathBuf, version: u32 },
    #[error("{}: GGUF version {found} cannot be read; versions 2 and 3 can", file.display())]
    Version { file: PathBuf, found: u32 },
    #[error(
        "{}: file ends inside {place}: {needed} bytes needed, {left} left; \
         it is truncated or corrupt, fetch it again",
        file.display()
    )]
    Truncated { file: PathBuf, place: String, needed: u64, left: u64 },
    /// A field with a value that no valid file has.
    #[error("{}: {place}: expected {expected}, found {found}", file.display())]
    Malformed { file: PathBuf, place: String, expected: String, found: String },

    #[error("{}: metadata key {key:?} appears twice", file.display())]
    DuplicateKey { file: PathBuf, key: String },
    #[error("{}: metadata key {key:?} is missing", file.display())]
    MissingKey { file: PathBuf, key: String },
    #[error("{}: metadata key {key:?}: expected {expected}, found {found}", file.display())]
    MetadataType { file: PathBuf, key: String, expected: &'static str, found: String },

    #[error("{}: tensor {tensor:?} appears twice", file.display())]
    DuplicateTensor { file: PathBuf, tensor: String },
    #[error(
        "{}: tensor {tensor:?} has type {found}, which cannot be read; types that can: {}",
        file.display(),
        DType::all().map(DType::name).collect::<Vec<_>>().join(", ")
    )]
    UnknownDType { file: PathBuf, tensor: String, found: String },
    #[error(
        "{}: data of tensor {tensor:?} ends at byte {end}, but the file has {n_bytes} bytes; \
         it is truncated or corrupt, fetch it again",
        file.display()
    )]
    TensorOutside { file: PathBuf, tensor: String, end: u64, n_bytes: u64 },
    #[error(
        "{}: data of tensor {tensor:?}: expected offset {expected}, found {offset}",
        file.display()
    )]
    TensorOffset { file: PathBuf, tensor: String, expected: String, offset: u64 },
    #[error(
        "{}: data of tensor {tensor:?}: its type and shape need {expected} bytes, found {found}",
        file.display()
    )]
    TensorLength { file: PathBuf, tensor: String, expected: u64, found: u64 },

    #[error(
        "{}: this is part {shard} of {n_shards}; open part 1, {}",
        file.display(),
        first.display()
    )]
    NotFirstShard { file: PathBuf, shard: u32, n_shards: u32, first: PathBuf },
    #[error(
        "{}: this is part {shard} of {n_shards}; rename it so that it ends in \
         -{shard:05}-of-{n_shards:05}.gguf, or the other parts cannot be found",
        file.display()
    )]
    ShardName { file: PathBuf, shard: u32, n_shards: u32 },
    #[error(
        "{}: part {shard} of {n_shards} is missing; all parts must be in one folder",
        file.display()
    )]
    MissingShard { file: PathBuf, shard: u32, n_shards: u32 },

    #[error(
        "{}: no {name} in this folder; a model folder needs config.json, tokenizer.json and \
         *.safetensors",
        folder.display()
    )]
    MissingFile { folder: PathBuf, name: String },
    #[error("{}: {found:?} is not the name of a file in this folder", file.display())]
    FileName { file: PathBuf, found: String },
    #[error(
        "{}: tensor {tensor:?} is missing: {} puts it in this file",
        file.display(),
        index.display()
    )]
    MissingTensor { file: PathBuf, tensor: String, index: PathBuf },
    #[error("{}: not valid JSON: {cause}", file.display())]
    Json { file: PathBuf, cause: serde_json::Error },
    #[error("{}: expected a file of at most {limit} bytes, found more", file.display())]
    TooLarge { file: PathBuf, limit: u64 },
}

impl Error {
    pub(crate) fn io(file: &Path, action: &'static str, cause: io::Error) -> Self {
        Self::Io { file: file.into(), action, cause }
    }

    pub(crate) fn malformed(
        file: &Path,
        place: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Malformed {
            file: file.into(),
            place: place.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}
