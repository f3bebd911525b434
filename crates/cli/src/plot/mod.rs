//! Pictures of measurements: a scatter plot as SVG or PNG, drawn without fonts of the system.

mod drawing;
mod png;
mod raster;
mod scatter;
mod strokes;
mod svg;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use format::Output;

pub(crate) use scatter::{Legend, Point, Scatter};

/// Where a plot goes, and as what.
pub(crate) struct PlotFile {
    path: PathBuf,
    format: PlotFormat,
}

#[derive(Clone, Copy)]
enum PlotFormat {
    Svg,
    Png,
}

impl PlotFile {
    /// # Errors
    /// A name that ends in neither format's letters, or a path that cannot be written: nobody wants
    /// to learn of it after the work. What was there stays.
    pub(crate) fn at(path: &Path) -> Result<Self> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let format = match extension.as_str() {
            "svg" => PlotFormat::Svg,
            "png" => PlotFormat::Png,
            _ => bail!(crate::Usage(format!(
                "--plot {}: expected a name that ends in .svg or .png",
                path.display()
            ))),
        };
        if path.is_dir() {
            bail!("--plot {}: a folder is there", path.display());
        }
        // A file is begun beside the path and dropped again.
        Output::create(path).context("--plot")?;
        Ok(Self { path: path.into(), format })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// # Errors
    /// What the system says; no file then, or the one that was there.
    pub(crate) fn write(&self, plot: &Scatter) -> Result<()> {
        let drawing = plot.draw();
        let bytes = match self.format {
            PlotFormat::Svg => svg::document(&drawing).into_bytes(),
            PlotFormat::Png => png::encode(&raster::pixels(&drawing)),
        };
        let mut output = Output::create(&self.path).context("--plot")?;
        output.writer().write_all(&bytes).context("--plot")?;
        Ok(output.commit()?)
    }
}
