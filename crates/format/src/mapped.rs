//! A whole file as [`Bytes`], mapped or read; the only unsafe code of this crate (K4).

#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use memmap2::Mmap;

use crate::{Bytes, Error};

/// How the bytes of a file come into memory.
///
/// A mapped file is shared with the system's page cache: it opens at once, and only what is used
/// is read. Its bytes are those of the file at the moment of use. A program that overwrites the
/// file in place changes the weights, and one that truncates it makes the next access to the lost
/// pages fatal (`SIGBUS`). Files replaced by renaming, as everything in this crate writes them, are
/// safe. Where a file may change under a running model (a network share, a synchronised folder),
/// use [`Mapping::Read`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mapping {
    #[default]
    Mmap,
    /// The whole file is read into memory when it is opened.
    Read,
}

/// # Errors
/// [`Error::Io`], and [`Error::NotAFile`] for folders, pipes and devices.
pub(crate) fn read_file(path: &Path, mapping: Mapping) -> Result<Bytes, Error> {
    let open_error = |cause| Error::io(path, "open", cause);
    // Asked before opening, because opening a pipe waits for its writer.
    if !fs::metadata(path).map_err(open_error)?.is_file() {
        return Err(Error::NotAFile { file: path.into() });
    }
    let file = File::open(path).map_err(open_error)?;
    let n_bytes = file.metadata().map_err(open_error)?.len();
    match mapping {
        Mapping::Mmap if n_bytes > 0 => {
            // SAFETY: the map is read-only and private, and `Bytes` only hands out shared slices.
            // That no other process changes the file cannot be enforced; `Mapping` says so.
            let map = unsafe { Mmap::map(&file) };
            Ok(Bytes::mapped(map.map_err(|cause| Error::io(path, "map", cause))?))
        }
        _ => {
            let mut bytes = Vec::new();
            // A sparse file can claim any length: reserving it may fail, but must not abort.
            let reserved = bytes.try_reserve_exact(usize::try_from(n_bytes).unwrap_or(usize::MAX));
            let read = reserved.map_err(std::io::Error::other).and_then(|()| {
                let mut file = file.take(n_bytes);
                file.read_to_end(&mut bytes)
            });
            read.map_err(|cause| Error::io(path, "read", cause))?;
            Ok(Bytes::from(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_equals_read() {
        let folder = tempfile::tempdir().unwrap();
        for n_bytes in [0, 1, 4096, 100_001] {
            let path = folder.path().join("file");
            fs::write(&path, (0..n_bytes).map(|i| i as u8).collect::<Vec<_>>()).unwrap();
            let mapped = read_file(&path, Mapping::Mmap).unwrap();
            assert_eq!(mapped.len(), n_bytes);
            assert_eq!(mapped, read_file(&path, Mapping::Read).unwrap());
        }
    }

    #[test]
    fn a_file_that_claims_more_than_memory_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        // Some file systems refuse such a length themselves; then there is nothing to claim.
        if File::create(&path).unwrap().set_len(1 << 62).is_ok() {
            assert!(matches!(read_file(&path, Mapping::Read), Err(Error::Io { .. })));
        }
    }

    #[test]
    fn only_regular_files() {
        let folder = tempfile::tempdir().unwrap();
        let error = read_file(folder.path(), Mapping::Mmap).unwrap_err();
        assert!(matches!(error, Error::NotAFile { .. }), "{error}");
        let error = read_file(&folder.path().join("absent"), Mapping::Mmap).unwrap_err();
        assert!(matches!(error, Error::Io { action: "open", .. }), "{error}");
    }
}
