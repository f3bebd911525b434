//! One pull of a model at a time, across threads and processes.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::error::HubError;

/// Short enough to feel immediate, long enough to cost nothing.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// Held while a model's files are written or removed. The system frees it when the process ends,
/// however it ends, so a lock file left behind locks nothing. The file itself stays: removing it
/// would let one process hold the old file's lock and another the new one's.
#[derive(Debug)]
pub(super) struct ModelLock {
    file: File,
}

impl Drop for ModelLock {
    /// Unlocked by hand: a child process being started may hold a copy of the handle for a moment,
    /// and closing ours alone would leave its copy locked.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

impl ModelLock {
    /// The lock at `path`, or `None` while somebody else holds it.
    pub(super) fn try_acquire(path: &Path) -> Result<Option<Self>, HubError> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(HubError::store("open the lock file", path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(HubError::store("lock", path)(cause)),
        }
    }

    /// Waits for the lock at `path`, asking `keep_waiting` before each further try.
    pub(super) fn acquire(
        path: &Path,
        mut keep_waiting: impl FnMut() -> Result<(), HubError>,
    ) -> Result<Self, HubError> {
        loop {
            if let Some(lock) = Self::try_acquire(path)? {
                return Ok(lock);
            }
            keep_waiting()?;
            thread::sleep(POLL_EVERY);
        }
    }
}
