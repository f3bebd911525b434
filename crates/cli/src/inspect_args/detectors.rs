//! `lookback inspect detectors`: trials of the two detectors, for those who work on them.

use clap::Args;

use super::{ProfileArgs, SessionArgs};

#[derive(Args, Debug)]
pub(crate) struct DetectorsArgs {
    /// Documents of each kind
    #[arg(short, value_name = "N", default_value_t = 100)]
    pub(crate) n: u32,
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}
