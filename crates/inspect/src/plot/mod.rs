//! Pictures as SVG or PNG, drawn without fonts of the system.

mod bars;
mod colour_map;
mod drawing;
mod error;
mod heat_map;
mod lines;
mod look;
#[cfg(test)]
mod overlap;
mod pen;
mod pixels;
mod png;
mod raster;
mod scatter;
mod strokes;
mod svg;
mod words;

use std::path::{Path, PathBuf};

use format::Output;

pub use bars::{Bar, Bars, N_BARS_MAX};
pub use drawing::Drawing;
pub use error::PlotError;
pub use heat_map::{HeatMap, N_CELLS_MAX, Scale};
pub use lines::{Lines, Series, XScale};
pub use scatter::{Legend, Point, Scatter};

/// Where a picture goes, and as what.
pub struct PlotFile {
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
    pub fn at(path: &Path) -> Result<Self, PlotError> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let format = match extension.as_str() {
            "svg" => PlotFormat::Svg,
            "png" => PlotFormat::Png,
            _ => return Err(PlotError::Name { path: path.into() }),
        };
        if path.is_dir() {
            return Err(PlotError::Folder { path: path.into() });
        }
        // A file is begun beside the path and dropped again.
        Output::create(path)?;
        Ok(Self { path: path.into(), format })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// # Errors
    /// What the system says; no file then, or the one that was there.
    pub fn write(&self, drawing: &Drawing) -> Result<(), PlotError> {
        let bytes = match self.format {
            PlotFormat::Svg => drawing.svg().into_bytes(),
            PlotFormat::Png => drawing.png(),
        };
        let mut output = Output::create(&self.path)?;
        let written = output.writer().write_all(&bytes);
        written.map_err(|cause| PlotError::Write { path: self.path.clone(), cause })?;
        Ok(output.commit()?)
    }
}

impl Drawing {
    /// A document whose letters are those of the reader's fonts.
    pub fn svg(&self) -> String {
        svg::document(self)
    }

    /// Two pixels a unit, with letters of its own: scripts other than the Latin one are boxes.
    pub fn png(&self) -> Vec<u8> {
        png::encode(&raster::pixels(self))
    }
}
