//! Models in several files, `{name}-00001-of-00005.gguf` and so on.
//!
//! That a file is one of several, and which, is what its `split.*` keys say. Names only tell where
//! the others are.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::gguf::header::{Part, read_part};
use crate::gguf::metadata::Metadata;
use crate::mapped::read_file;
use crate::{Error, Mapping};

pub(super) const COUNT_KEY: &str = "split.count";
pub(super) const SHARD_KEY: &str = "split.no";
pub(super) const N_TENSORS_KEY: &str = "split.tensors.count";

/// What a part says about itself.
pub(super) struct Split {
    shard_idx: u32,
    n_shards: u32,
    /// Of all parts together.
    n_tensors: Option<u64>,
}

impl Split {
    /// `None` for a whole model. Merged ones keep the keys, with a count of 0.
    pub(super) fn of(metadata: &Metadata, file: &Path) -> Result<Option<Self>, Error> {
        let n_shards = metadata.u32(COUNT_KEY)?.unwrap_or(0);
        if n_shards == 0 {
            return Ok(None);
        }
        let shard_idx = metadata.require_u32(SHARD_KEY)?;
        if shard_idx >= n_shards {
            let expected = format!("below {COUNT_KEY}, which is {n_shards}");
            return Err(shard_error(file, expected, shard_idx));
        }
        let n_tensors = metadata.u64(N_TENSORS_KEY)?;
        Ok((n_shards > 1).then_some(Self { shard_idx, n_shards, n_tensors }))
    }

    /// Indices of the parts beside `file`, which must be the first.
    pub(super) fn other_shards(&self, file: &Path) -> Result<Range<u32>, Error> {
        let first = self.path_of(0, file)?;
        if self.shard_idx == 0 {
            return Ok(1..self.n_shards);
        }
        let (shard, n_shards) = (self.shard_idx + 1, self.n_shards);
        Err(Error::NotFirstShard { file: file.into(), shard, n_shards, first })
    }

    /// Opens another part of the model of which `file` is one.
    pub(super) fn open(
        &self,
        shard_idx: u32,
        file: &Path,
        mapping: Mapping,
    ) -> Result<(PathBuf, Part), Error> {
        let path = self.path_of(shard_idx, file)?;
        if !path.exists() {
            let (shard, n_shards) = (shard_idx + 1, self.n_shards);
            return Err(Error::MissingShard { file: path, shard, n_shards });
        }
        let part = read_part(&read_file(&path, mapping)?, &path)?;
        let found = (part.metadata.require_u32(SHARD_KEY)?, part.metadata.require_u32(COUNT_KEY)?);
        if found != (shard_idx, self.n_shards) {
            let expected = format!("{shard_idx} with {COUNT_KEY} = {}", self.n_shards);
            let found = format!("{} with {COUNT_KEY} = {}", found.0, found.1);
            return Err(shard_error(&path, expected, found));
        }
        Ok((path, part))
    }

    pub(super) fn check_n_tensors(&self, found: usize, file: &Path) -> Result<(), Error> {
        match self.n_tensors {
            Some(claimed) if claimed != found as u64 => {
                let place = format!("metadata key {N_TENSORS_KEY:?}");
                let expected = format!("{found}, the tensors of all parts");
                Err(Error::malformed(file, place, expected, claimed.to_string()))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn cannot_find_others(&self, file: &Path) -> Error {
        let (shard, n_shards) = (self.shard_idx + 1, self.n_shards);
        Error::ShardName { file: file.into(), shard, n_shards }
    }

    fn path_of(&self, shard_idx: u32, file: &Path) -> Result<PathBuf, Error> {
        let suffix = shard_suffix(self.shard_idx, self.n_shards);
        let stem = file.file_stem().and_then(|stem| stem.to_str());
        let Some(name) = stem.and_then(|stem| stem.strip_suffix(&suffix)) else {
            return Err(self.cannot_find_others(file));
        };
        let other = format!("{name}{}", shard_suffix(shard_idx, self.n_shards));
        let mut path = file.with_file_name(other);
        if let Some(extension) = file.extension() {
            path.as_mut_os_string().push(".");
            path.as_mut_os_string().push(extension);
        }
        Ok(path)
    }
}

/// `-00001-of-00005` for the first of five.
pub(super) fn shard_suffix(shard_idx: u32, n_shards: u32) -> String {
    format!("-{:05}-of-{n_shards:05}", shard_idx + 1)
}

fn shard_error(file: &Path, expected: String, found: impl ToString) -> Error {
    Error::malformed(file, format!("metadata key {SHARD_KEY:?}"), expected, found.to_string())
}
