//! `lookback inspect drown`: what becomes of a part of a text when more stands around it.

use clap::Args;

use super::{CaseArgs, PictureArgs, SessionArgs};

#[derive(Args, Debug)]
pub(crate) struct DrownArgs {
    #[command(flatten)]
    pub(crate) case: CaseArgs,
    /// The part of the text that the answer needs [default: the sentence it loses most without]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) span: Option<String>,
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}
