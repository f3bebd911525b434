//! `lookback inspect drown`: what becomes of a part of a text when more stands around it.

use std::path::PathBuf;

use clap::Args;

use super::{CaseArgs, SessionArgs};

#[derive(Args, Debug)]
pub(crate) struct DrownArgs {
    #[command(flatten)]
    pub(crate) case: CaseArgs,
    /// The part of the text that the answer needs [default: the sentence it loses most without]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) span: Option<String>,
    /// Draw the curve: a name that ends in .svg or .png
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}
