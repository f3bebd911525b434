//! Why a picture could not be made.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    #[error("{}: expected a name that ends in .svg or .png", path.display())]
    Name { path: PathBuf },
    #[error("{}: a folder is there", path.display())]
    Folder { path: PathBuf },
    #[error("{}: cannot write: {cause}", path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error("{n} {what} do not fit a picture: at most {limit} do")]
    TooMany { what: &'static str, n: usize, limit: usize },
    #[error(transparent)]
    File(#[from] format::Error),
}
