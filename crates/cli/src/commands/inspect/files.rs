//! Files that a result goes to: checked before the work, so that nobody learns of it afterwards.

use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, bail};
use format::Output;
use inspect::export::ExportFormat;
use inspect::plot::{Drawing, PlotFile};

use crate::Usage;
use crate::inspect_args::PictureArgs;

/// Pictures of one result.
pub(super) struct Pictures {
    files: Vec<(&'static str, PlotFile)>,
}

impl Pictures {
    /// # Errors
    /// Names that end in other letters than the flag says, which is [`Usage`], and paths that
    /// cannot be written.
    pub(super) fn at(args: &PictureArgs) -> Result<Self> {
        let mut files = Vec::new();
        for (flag, ending, path) in [("--png", ".png", &args.png), ("--svg", ".svg", &args.svg)] {
            let Some(path) = path else { continue };
            check_ending(flag, path, ending)?;
            files.push((flag, PlotFile::at(path).context(flag)?));
        }
        Ok(Self { files })
    }

    /// Draws where a picture is wanted.
    pub(super) fn write(&self, draw: impl FnOnce() -> Result<Drawing>) -> Result<()> {
        if self.files.is_empty() {
            return Ok(());
        }
        let drawing = draw()?;
        for (flag, file) in &self.files {
            file.write(&drawing).context(*flag)?;
        }
        Ok(())
    }
}

/// A page that shows a result.
pub(super) fn html_file(path: Option<&Path>) -> Result<Option<PathBuf>> {
    let Some(path) = path else { return Ok(None) };
    check_ending("--html", path, ".html")?;
    check_writable("--html", path)?;
    Ok(Some(path.to_owned()))
}

/// A file of rows, as what its name ends in says.
pub(super) fn export_file(path: Option<&Path>) -> Result<Option<(PathBuf, ExportFormat)>> {
    let Some(path) = path else { return Ok(None) };
    let format = ExportFormat::of(path).map_err(|err| Error::new(Usage(format!("-o {err}"))))?;
    check_writable("-o", path)?;
    Ok(Some((path.to_owned(), format)))
}

fn check_ending(flag: &str, path: &Path, ending: &str) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if !name.ends_with(ending) {
        let path = path.display();
        bail!(Usage(format!("{flag} {path}: expected a name that ends in {ending}")));
    }
    Ok(())
}

/// A file is begun beside the path and dropped again.
fn check_writable(flag: &'static str, path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(anyhow!("{flag} {}: a folder is there", path.display()));
    }
    Output::create(path).context(flag)?;
    Ok(())
}
