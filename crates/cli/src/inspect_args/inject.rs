//! `lookback inspect inject`.

use std::path::PathBuf;

use clap::Args;

use super::{PictureArgs, ProfileArgs, SessionArgs};

#[derive(Args, Debug)]
pub(crate) struct InjectArgs {
    /// What the model is asked to do with the data
    #[arg(long, value_name = "TEXT")]
    pub(crate) instruction: String,
    /// The data; `-` or none reads standard input
    #[arg(conflicts_with = "file")]
    pub(crate) data: Option<String>,
    /// Read the data from a file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}
