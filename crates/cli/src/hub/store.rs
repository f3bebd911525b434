//! The folder of model files: what is there, where a name's file is, and taking one away.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::catalogue::Model;
use super::error::HubError;
use super::lock::ModelLock;

/// The models folder. Besides `NAME` it holds `NAME.partial` while a pull is unfinished, and
/// hidden files: `.NAME.lock` and, during a pull of wheels, a folder `.NAME.wheels-*`.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    dir: PathBuf,
}

/// A complete model file of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredModel {
    /// The name that finds it again: catalogue name, `hf:` name, or the file's own name.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) n_bytes: u64,
}

/// `lookback/models` in the platform's folder for caches.
///
/// # Errors
/// [`HubError::NoHome`] where the system knows no home folder.
pub(crate) fn platform_models_dir() -> Result<PathBuf, HubError> {
    use etcetera::BaseStrategy as _;
    let strategy =
        etcetera::base_strategy::choose_native_strategy().map_err(|_| HubError::NoHome)?;
    Ok(strategy.cache_dir().join("lookback").join("models"))
}

impl Store {
    pub(crate) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf() }
    }

    /// The file that `-m name` means: an existing path first, then a model of the store by
    /// catalogue name, `hf:` name, file name, or file name without its ending.
    ///
    /// # Errors
    /// [`HubError::NotPulled`] for a name that `lookback pull` would take,
    /// [`HubError::NoSuchFile`] for what looks like a path, else as [`Model::parse`].
    pub(crate) fn resolve(&self, name: &str) -> Result<PathBuf, HubError> {
        let path = Path::new(name);
        if path.exists() {
            return Ok(path.to_path_buf());
        }
        let listed = self.list()?;
        if let Some(stored) = listed.into_iter().find(|stored| stored.is_called(name)) {
            return Ok(stored.path);
        }
        match Model::parse(name) {
            Ok(model) => Err(HubError::NotPulled { name: model.name }),
            Err(HubError::UnknownModel { .. }) if looks_like_path(name) => {
                Err(HubError::NoSuchFile { path: path.to_path_buf() })
            }
            Err(err) => Err(err),
        }
    }

    /// The complete models, by name. A folder that does not exist holds none.
    pub(crate) fn list(&self) -> Result<Vec<StoredModel>, HubError> {
        let read = |cause| HubError::store("read the models folder", &self.dir)(cause);
        let entries = match fs::read_dir(&self.dir) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(read)?,
        };
        let mut listed = Vec::new();
        for entry in entries {
            let path = entry.map_err(read)?.path();
            // Asked of the path, so that links to model files count; one that has just gone
            // away does not.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if metadata.is_file() && is_model_file(file_name) {
                let name = Model::from_file_name(file_name)
                    .map_or_else(|| file_name.to_string(), |model| model.name);
                listed.push(StoredModel { name, n_bytes: metadata.len(), path });
            }
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// Removes a model and what an unfinished pull left of it; returns the bytes freed.
    ///
    /// # Errors
    /// [`HubError::NotPulled`] if nothing of it is there, [`HubError::Busy`] during its pull,
    /// else as [`Model::parse`].
    pub(crate) fn remove(&self, name: &str) -> Result<u64, HubError> {
        let listed = self.list()?;
        let path = match listed.into_iter().find(|stored| stored.is_called(name)) {
            Some(stored) => stored.path,
            None => self.path_of(&Model::parse(name)?),
        };
        let partial = self.beside(&path, "", ".partial");
        if !path.exists() && !partial.exists() {
            return Err(HubError::NotPulled { name: name.to_string() });
        }
        let Some(_lock) = ModelLock::try_acquire(&self.lock_path(&path))? else {
            return Err(HubError::Busy { name: name.to_string() });
        };
        Ok(remove_file(&path)? + remove_file(&partial)?)
    }

    /// Where the complete file of `model` is or will be.
    pub(crate) fn path_of(&self, model: &Model) -> PathBuf {
        self.dir.join(&model.file_name)
    }

    pub(super) fn partial_path(&self, model: &Model) -> PathBuf {
        self.beside(&self.path_of(model), "", ".partial")
    }

    pub(super) fn lock_path(&self, path: &Path) -> PathBuf {
        self.beside(path, ".", ".lock")
    }

    /// Makes the folder if it is not there.
    pub(super) fn create(&self) -> Result<(), HubError> {
        fs::create_dir_all(&self.dir).map_err(HubError::store("make the models folder", &self.dir))
    }

    /// A new folder for wheels, removed when dropped. It is inside the store, so that the model
    /// unpacked in it can be renamed to its place. Call with the model's lock held: it clears
    /// away what killed pulls of `model` left.
    pub(super) fn wheel_dir(&self, model: &Model) -> Result<tempfile::TempDir, HubError> {
        let prefix = format!(".{}.wheels-", model.file_name);
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                let path = entry.path();
                fs::remove_dir_all(&path).map_err(HubError::store("remove", &path))?;
            }
        }
        tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(&self.dir)
            .map_err(HubError::store("make a folder for wheels in", &self.dir))
    }

    fn beside(&self, path: &Path, prefix: &str, suffix: &str) -> PathBuf {
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        self.dir.join(format!("{prefix}{file_name}{suffix}"))
    }
}

impl StoredModel {
    fn is_called(&self, name: &str) -> bool {
        let path_part = |part: Option<&std::ffi::OsStr>| part.is_some_and(|part| part == name);
        self.name == name || path_part(self.path.file_name()) || path_part(self.path.file_stem())
    }
}

/// Removes a file that may be absent; returns its length in bytes.
pub(super) fn remove_file(path: &Path) -> Result<u64, HubError> {
    let n_bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
    match fs::remove_file(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(0),
        removed => removed.map(|()| n_bytes).map_err(HubError::store("remove", path)),
    }
}

fn is_model_file(file_name: &str) -> bool {
    !file_name.starts_with('.') && file_name.ends_with(".gguf")
}

fn looks_like_path(name: &str) -> bool {
    name.contains(['/', '\\']) || name.ends_with(".gguf") || name.ends_with(".safetensors")
}
