//! `lookback inspect ground`.

use std::path::PathBuf;

use clap::Args;

use super::{ProfileArgs, SessionArgs};

#[derive(Args, Debug)]
pub(crate) struct GroundArgs {
    /// The question about the document
    pub(crate) question: String,
    /// Read the document from a file [default: standard input]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// An answer that is there already [default: the model's likeliest]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) answer: Option<String>,
    /// Most tokens of an answer that the model writes
    #[arg(short, value_name = "N", default_value_t = inspect::N_ANSWER as u32)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) n: u32,
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}
