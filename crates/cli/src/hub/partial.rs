//! A model file while it is being written: `NAME.partial`, hashed as it grows.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::catalogue::Model;
use super::error::{HubError, SourceError};
use super::store::remove_file;

const CHUNK_BYTES: usize = 1 << 20;

/// Bytes on disk and the running sha256 over all of them. Nothing loads a partial: it gets a
/// model's name only in [`finish`](Self::finish), complete, checked and synced.
#[derive(Debug)]
pub(super) struct PartialFile {
    file: File,
    path: PathBuf,
    sha256: Sha256,
    n_bytes: u64,
}

impl PartialFile {
    /// Opens or makes the file; what an earlier pull left in it is hashed and kept.
    pub(super) fn open(path: &Path) -> Result<Self, HubError> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(HubError::store("open", path))?;
        let mut partial =
            Self { file, path: path.to_path_buf(), sha256: Sha256::new(), n_bytes: 0 };
        partial.n_bytes = hash_rest(&mut partial.file, &mut partial.sha256)
            .map_err(HubError::store("read", path))?;
        Ok(partial)
    }

    pub(super) fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Empties the file, to begin again at byte 0.
    pub(super) fn restart(&mut self) -> Result<(), HubError> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .map_err(HubError::store("empty", &self.path))?;
        self.sha256 = Sha256::new();
        self.n_bytes = 0;
        Ok(())
    }

    /// Removes the file if nothing has come; what has come is kept for the next pull.
    pub(super) fn close(self) -> Result<(), HubError> {
        drop(self.file);
        if self.n_bytes == 0 { remove_file(&self.path).map(|_| ()) } else { Ok(()) }
    }

    /// Appends `chunk`.
    pub(super) fn write(&mut self, chunk: &[u8]) -> Result<(), HubError> {
        self.file.write_all(chunk).map_err(HubError::store("write", &self.path))?;
        self.sha256.update(chunk);
        self.n_bytes += chunk.len() as u64;
        Ok(())
    }

    /// Gives the complete file its final name, where length and sha256 are the `expected` ones.
    ///
    /// # Errors
    /// [`SourceError::ShortBody`] keeps the file, since more may come; [`SourceError::WrongLength`]
    /// and [`SourceError::WrongDigest`] remove it, since nothing can be appended to mend it.
    pub(super) fn finish(self, path: &Path, expected: &Expected) -> Result<(), HubError> {
        // An empty file is no model, whatever its source says.
        if self.n_bytes < expected.n_bytes.unwrap_or(0).max(1) {
            let (found, expected) = (self.n_bytes, expected.n_bytes);
            return Err(SourceError::ShortBody { found, expected }.into());
        }
        if let Err(wrong) = expected.check(self.n_bytes, &hex(&self.sha256.finalize())) {
            drop(self.file);
            remove_file(&self.path)?;
            return Err(wrong.into());
        }
        // Synced before the rename: after a power cut the name must not stand for missing bytes.
        self.file.sync_all().map_err(HubError::store("sync", &self.path))?;
        drop(self.file);
        fs::rename(&self.path, path).map_err(HubError::store("rename to its final name", path))?;
        sync_folder(path);
        Ok(())
    }
}

/// What a complete file must be, as far as it is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    pub(super) n_bytes: Option<u64>,
    /// 64 lower-case hex digits.
    pub(super) sha256: Option<String>,
}

impl Expected {
    fn check(&self, n_bytes: u64, sha256: &str) -> Result<(), SourceError> {
        if let Some(expected) = self.n_bytes.filter(|expected| *expected != n_bytes) {
            return Err(SourceError::WrongLength { found: n_bytes, expected });
        }
        match &self.sha256 {
            Some(expected) if expected != sha256 => Err(SourceError::WrongDigest {
                found: sha256.to_string(),
                expected: expected.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// What is known of `model` before asking any source.
    pub(super) fn of(model: &Model) -> Self {
        Self { n_bytes: model.n_bytes, sha256: model.sha256.clone() }
    }

    /// Whether the finished file at `path` is the expected one.
    pub(super) fn matches_file(&self, path: &Path) -> Result<bool, HubError> {
        let mut file = File::open(path).map_err(HubError::store("open", path))?;
        let mut sha256 = Sha256::new();
        let n_bytes = hash_rest(&mut file, &mut sha256).map_err(HubError::store("read", path))?;
        Ok(self.check(n_bytes, &hex(&sha256.finalize())).is_ok())
    }
}

/// Hashes from the file's position to its end and counts the bytes.
fn hash_rest(file: &mut File, sha256: &mut Sha256) -> std::io::Result<u64> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut n_bytes = 0;
    loop {
        let n_read = file.read(&mut chunk)?;
        if n_read == 0 {
            return Ok(n_bytes);
        }
        sha256.update(&chunk[..n_read]);
        n_bytes += n_read as u64;
    }
}

/// Makes the rename itself durable where folders can be synced; elsewhere there is nothing to do,
/// and the file is complete under one of its two names either way.
fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
}

/// Lower-case hex digits of `bytes`.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
