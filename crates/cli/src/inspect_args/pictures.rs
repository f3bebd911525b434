//! Flags of commands whose results can be pictures.

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug)]
pub(crate) struct PictureArgs {
    /// Draw the result as a PNG file too
    #[arg(long, value_name = "FILE")]
    pub(crate) png: Option<PathBuf>,
    /// Draw the result as an SVG file too
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

impl PictureArgs {
    pub(crate) fn is_wanted(&self) -> bool {
        self.png.is_some() || self.svg.is_some()
    }
}
