//! `lookback inspect heads`.

use std::path::PathBuf;

use clap::Args;

use super::{ProfileArgs, SessionArgs};

#[derive(Args, Debug)]
pub(crate) struct HeadsArgs {
    /// Heads to show of each role
    #[arg(long, value_name = "K", default_value_t = 5)]
    pub(crate) top: usize,
    /// Write the whole profile to a file too
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}
