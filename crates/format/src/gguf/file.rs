//! A GGUF model: one file, or all parts of a split one.

use std::path::Path;

use crate::gguf::header::{Part, read_part};
use crate::gguf::metadata::Metadata;
use crate::gguf::split::Split;
use crate::mapped::read_file;
use crate::tensor::TensorTable;
use crate::{Bytes, Error, Mapping, Tensor, TensorInfo};

/// An opened model file; everything in it has been checked, and its data is where the file has it.
#[derive(Debug)]
pub struct GgufFile {
    version: u32,
    metadata: Metadata,
    tensors: TensorTable,
    n_bytes: u64,
}

impl GgufFile {
    /// Opens a model. Of a split one, `path` is the first part, and the others lie beside it;
    /// whether it is split is what its `split.*` keys say, whatever its name.
    ///
    /// # Errors
    /// What is wrong with the file, by field, key or tensor; [`Error::NotFirstShard`] for another
    /// part than the first, [`Error::MissingShard`] when one is missing.
    pub fn open(path: &Path, mapping: Mapping) -> Result<Self, Error> {
        let first = read_part(&read_file(path, mapping)?, path)?;
        let split = Split::of(&first.metadata, path)?;
        let mut model = Self::from(first);
        if let Some(split) = split {
            for shard_idx in split.other_shards(path)? {
                let (shard_path, part) = split.open(shard_idx, path, mapping)?;
                model.n_bytes += part.n_bytes;
                model.tensors.extend(part.tensors, &shard_path)?;
            }
            split.check_n_tensors(model.tensors.len(), path)?;
        }
        Ok(model)
    }

    /// Reads a model from memory, where it cannot be split. `name` is the file name for errors.
    ///
    /// # Errors
    /// As for [`GgufFile::open`].
    pub fn from_bytes(bytes: Bytes, name: &str) -> Result<Self, Error> {
        let file = Path::new(name);
        let part = read_part(&bytes, file)?;
        if let Some(split) = Split::of(&part.metadata, file)? {
            return Err(split.cannot_find_others(file));
        }
        Ok(Self::from(part))
    }

    /// Of the first part.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    pub fn tensor(&self, name: &str) -> Option<Tensor> {
        self.tensors.get(name).cloned()
    }

    /// In the order of the file.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorInfo> {
        self.tensors.infos()
    }

    /// Size of all files.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Version of the GGUF format, of the first part.
    pub fn version(&self) -> u32 {
        self.version
    }
}

impl From<Part> for GgufFile {
    fn from(part: Part) -> Self {
        let Part { version, metadata, tensors, n_bytes } = part;
        Self { version, metadata, tensors, n_bytes }
    }
}
