//! `lookback inspect heads`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{PictureArgs, ProfileArgs, SessionArgs};

#[derive(Args, Debug)]
pub(crate) struct HeadsArgs {
    /// Heads to show of each role
    #[arg(long, value_name = "K", default_value_t = 5)]
    pub(crate) top: usize,
    /// What pictures show
    #[arg(long, value_name = "ROLE", default_value = "induction")]
    pub(crate) show: RoleArg,
    /// Write the whole profile to a file too
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}

/// What a head may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    Previous,
    Duplicate,
    Induction,
    Retrieval,
    Instruction,
}
