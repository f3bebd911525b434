//! The command line of `lookback inspect who`.

use clap::Args;

use super::{PictureArgs, SessionArgs};
use crate::args::TextArgs;

#[derive(Args, Debug)]
pub(crate) struct WhoArgs {
    #[command(flatten)]
    pub(crate) text: TextArgs,
    /// The pronoun, or a noun that names something again
    #[arg(long, value_name = "WORD")]
    pub(crate) word: String,
    /// Which of its places in the text, counted from 1 [default: the last]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) nth: Option<u32>,
    /// What it may stand for, divided by commas [default: names and phrases before it]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) among: Vec<String>,
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}
