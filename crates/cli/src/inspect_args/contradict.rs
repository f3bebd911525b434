//! The command line of `lookback inspect contradict`.

use clap::Args;
use inspect::questions::{N_PAIRS, N_PAIRS_MAX};

use super::SessionArgs;
use crate::args::TextArgs;

#[derive(Args, Debug)]
pub(crate) struct ContradictArgs {
    #[command(flatten)]
    pub(crate) text: TextArgs,
    /// Pairs of sentences that the model is asked about
    #[arg(long, value_name = "K", default_value_t = N_PAIRS as u32)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=N_PAIRS_MAX as i64))]
    pub(crate) pairs: u32,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}
