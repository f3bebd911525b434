//! Whether a model's heads are measured again.

use clap::Args;

#[derive(Args, Debug)]
pub(crate) struct ProfileArgs {
    /// Measure the model's heads again, though there is a profile of them
    #[arg(long)]
    pub(crate) recalibrate: bool,
}
