//! `lookback inspect diff`: two models that read the same text.

use clap::Args;

use super::{PictureArgs, SessionArgs};
use crate::args::TextArgs;

#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    pub(crate) text: TextArgs,
    /// The second model, of the first one's shape and vocabulary
    #[arg(long, value_name = "MODEL")]
    pub(crate) against: String,
    /// The mean distance of a layer's rows that counts as a difference
    #[arg(long, value_name = "X", default_value_t = 0.05, value_parser = share)]
    pub(crate) threshold: f64,
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}

fn share(text: &str) -> Result<f64, String> {
    let found = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    found.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}
