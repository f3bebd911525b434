//! A file that appears complete or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::Error;

/// Written beside its path under a `.partial` name, and renamed by [`Output::commit`]. Dropped
/// before that, it leaves what was there.
pub struct Output {
    path: PathBuf,
    folder: PathBuf,
    writer: BufWriter<NamedTempFile>,
}

impl Output {
    pub fn create(path: &Path) -> Result<Self, Error> {
        // The same folder, because a rename is atomic only within a file system.
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let prefix = format!(".{name}.");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".partial");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any other new file, less the umask; a temporary file is otherwise private.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(&folder).map_err(|e| Error::io(path, "create", e))?;
        Ok(Self { path: path.into(), folder, writer: BufWriter::with_capacity(1 << 20, file) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn writer(&mut self) -> &mut dyn Write {
        &mut self.writer
    }

    /// Makes the file durable and gives it its name.
    pub fn commit(self) -> Result<(), Error> {
        let path = self.path;
        let write = || -> io::Result<()> {
            let file = self.writer.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|e| e.error)?;
            sync_folder(&self.folder)
        };
        write().map_err(|cause| Error::io(&path, "write", cause))
    }
}

/// A rename is durable only once its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_was_there_stays_until_the_commit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        std::fs::write(&path, "before").unwrap();

        let mut output = Output::create(&path).unwrap();
        output.writer().write_all(b"after").unwrap();
        drop(output);
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        assert_eq!(names(folder.path()), ["model"]);

        let mut output = Output::create(&path).unwrap();
        output.writer().write_all(b"after").unwrap();
        output.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"after");
        assert_eq!(names(folder.path()), ["model"]);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = Output::create(Path::new("/absent folder/model")).err().unwrap();
        assert!(error.to_string().contains("/absent folder/model"), "{error}");
    }
}
