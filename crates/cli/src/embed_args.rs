//! The command line of `lookback embed`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use engine::Pooling;

use crate::args::{JsonArgs, ModelArgs, RuntimeArgs};

#[derive(Args, Debug)]
pub(crate) struct EmbedArgs {
    /// The texts; none, or `-`: one text from standard input
    pub(crate) texts: Vec<String>,
    /// Read the text from a file
    #[arg(short, long, value_name = "FILE", conflicts_with = "texts")]
    pub(crate) file: Option<PathBuf>,
    /// Each line of the file, or of standard input, is a text as JSON: a string, or an object with
    /// "text" and perhaps "id"; for each comes a line with its vector
    #[arg(long, conflicts_with_all = ["texts", "similarity"])]
    pub(crate) jsonl: bool,
    /// The cosine of two texts, from -1 to 1, instead of their vectors
    #[arg(long, requires = "texts")]
    pub(crate) similarity: bool,
    /// Which hidden states become the vector [default: what the model's file says]
    #[arg(long, value_name = "WHICH")]
    pub(crate) pooling: Option<PoolingArg>,
    /// Leave vectors as long as they are [default: length 1]
    #[arg(long)]
    pub(crate) no_normalize: bool,
    /// Put this before each text
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) prefix: Option<String>,
    /// Put before each text what the model's folder has for texts of a kind, such as query
    #[arg(long, value_name = "NAME", conflicts_with = "prefix")]
    pub(crate) prompt: Option<String>,
    /// Leave out the end of texts that are too long [default: an error]
    #[arg(long)]
    pub(crate) truncate: bool,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum PoolingArg {
    /// The mean of all
    Mean,
    /// That of the first token
    Cls,
    /// That of the last token
    Last,
}

impl PoolingArg {
    pub(crate) fn pooling(self) -> Pooling {
        match self {
            Self::Mean => Pooling::Mean,
            Self::Cls => Pooling::Cls,
            Self::Last => Pooling::Last,
        }
    }
}
