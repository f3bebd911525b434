//! `lookback inspect trial`: how often what is said is right.

use clap::Args;

use super::SessionArgs;

#[derive(Args, Debug)]
pub(crate) struct TrialArgs {
    /// Documents to ask about
    #[arg(short, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) n: u32,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}
