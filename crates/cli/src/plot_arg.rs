//! `--plot`: where a picture goes.

use std::path::Path;

use anyhow::{Context, Error, Result, anyhow};
use inspect::plot::{Drawing, PlotError, PlotFile};

use crate::Usage;

/// # Errors
/// Before the work: a name of no format that is known, which is [`Usage`], or a path that cannot be
/// written.
pub(crate) fn plot_file(path: &Path) -> Result<PlotFile> {
    PlotFile::at(path).map_err(|err| match err {
        PlotError::Name { .. } => Error::new(Usage(format!("--plot {err}"))),
        PlotError::Folder { .. } => anyhow!("--plot {err}"),
        err => Error::new(err).context("--plot"),
    })
}

pub(crate) fn write(file: &PlotFile, drawing: &Drawing) -> Result<()> {
    file.write(drawing).context("--plot")
}
