//! `lookback inspect trial`: how often what is said is right.

use clap::{Args, ValueEnum};

use super::{ProfileArgs, SessionArgs};

#[derive(Args, Debug)]
pub(crate) struct TrialArgs {
    /// The questions that are tried [default: all]
    #[arg(value_name = "QUESTION")]
    pub(crate) questions: Vec<TrialOf>,
    /// Documents of each kind; of `who` passages, a quarter at each of four distances
    #[arg(short, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) n: u32,
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}

/// A question whose answers can be told right from wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrialOf {
    Look,
    Who,
    Contradict,
    Inject,
    Ground,
}
