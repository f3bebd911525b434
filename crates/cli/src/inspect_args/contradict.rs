//! The command line of `lookback inspect contradict`.

use clap::Args;

use super::{PictureArgs, SessionArgs};
use crate::args::TextArgs;

#[derive(Args, Debug)]
pub(crate) struct ContradictArgs {
    #[command(flatten)]
    pub(crate) text: TextArgs,
    /// Pairs of sentences that the model is asked about
    #[arg(long, value_name = "K", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) pairs: u32,
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}
