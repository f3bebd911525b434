//! The command line of `lookback inspect`.

mod contradict;
mod diff;
mod drown;
mod ground;
mod heads;
mod inject;
mod pictures;
mod profiles;
mod trial;
mod who;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use inspect::capture::Lens;
use inspect::text::Unit;

use crate::args::{CacheArgs, JsonArgs, ModelArgs, RuntimeArgs, TextArgs};

pub(crate) use contradict::ContradictArgs;
pub(crate) use diff::DiffArgs;
pub(crate) use drown::DrownArgs;
pub(crate) use ground::GroundArgs;
pub(crate) use heads::HeadsArgs;
pub(crate) use inject::InjectArgs;
pub(crate) use pictures::PictureArgs;
pub(crate) use profiles::ProfileArgs;
pub(crate) use trial::{TrialArgs, TrialOf};
pub(crate) use who::WhoArgs;

#[derive(Subcommand, Debug)]
pub(crate) enum InspectCommand {
    /// Which sentences of a text an answer came from, and what it loses without them
    Look(LookArgs),
    /// Which earlier mention a pronoun stands for, with its rivals
    Who(WhoArgs),
    /// Pairs of sentences that may contradict each other: attention proposes, the model judges
    Contradict(ContradictArgs),
    /// The attention weights of single tokens, by layer and head
    Rows(RowsArgs),
    /// How attention behaves over a whole text: entropy, sinks, distance, and which blocks look at
    /// which
    Map(MapArgs),
    /// What each head does: which looks at the token before, copies, finds an answer, keeps to the
    /// instruction
    Heads(HeadsArgs),
    /// Whether data draws the model away from its instruction, and which part of it
    Inject(InjectArgs),
    /// Whether the sentences of an answer rest on the document
    Ground(GroundArgs),
    /// What becomes of what an answer needs when more text stands around it
    Drown(DrownArgs),
    /// How differently two models of one shape read a text
    Diff(DiffArgs),
    /// How often `look`, `who`, `contradict`, `inject` and `ground` are right, on documents whose
    /// answers are known
    Trial(TrialArgs),
}

/// How a model is run to be looked at.
#[derive(Args, Debug)]
pub(crate) struct SessionArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
    /// Most memory for what is kept of attention, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// A text, a question about it, and its answer.
#[derive(Args, Debug)]
pub(crate) struct CaseArgs {
    /// The question; with -f it follows the file's text, without it is all there is
    pub(crate) question: Option<String>,
    /// Read the text that is asked about from a file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// An answer that is there already [default: the model's likeliest]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) answer: Option<String>,
    /// Most tokens of an answer that the model writes
    #[arg(short, value_name = "N", default_value_t = inspect::N_ANSWER as u32)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) n: u32,
    /// System prompt
    #[arg(long, value_name = "S")]
    pub(crate) system: Option<String>,
    /// Continue the text as it is, without the chat template
    #[arg(long, conflicts_with = "system")]
    pub(crate) raw: bool,
}

#[derive(Args, Debug)]
pub(crate) struct LookArgs {
    #[command(flatten)]
    pub(crate) case: CaseArgs,
    /// What of the answer is looked at together
    #[arg(long, value_name = "UNIT", default_value = "answer")]
    pub(crate) each: EachArg,
    /// Look at these words of the answer alone
    #[arg(long, value_name = "TEXT", conflicts_with = "each")]
    pub(crate) word: Option<String>,
    /// What the text is divided into
    #[arg(long, value_name = "UNIT", default_value = "sentence")]
    pub(crate) source: UnitArg,
    /// What ranks the sources
    #[arg(long, value_name = "LENS", default_value = "value")]
    pub(crate) by: LensArg,
    /// Sources to show
    #[arg(long, value_name = "K", default_value_t = 5)]
    pub(crate) top: usize,
    /// The first of them to hide, to see what the answer loses
    #[arg(long, value_name = "K", default_value_t = 3)]
    pub(crate) check: usize,
    /// Write a page that shows the text coloured by what the answer read
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}

/// Some heads of a model.
#[derive(Args, Debug)]
pub(crate) struct ChosenArgs {
    /// Layers, such as 0,5,8-11 [default: all]
    #[arg(long, value_name = "LIST", value_parser = number_list)]
    pub(crate) layers: Option<Numbers>,
    /// Heads of each layer [default: all]
    #[arg(long, value_name = "LIST", value_parser = number_list)]
    pub(crate) heads: Option<Numbers>,
}

#[derive(Args, Debug)]
pub(crate) struct RowsArgs {
    #[command(flatten)]
    pub(crate) text: TextArgs,
    #[command(flatten)]
    pub(crate) chosen: ChosenArgs,
    /// Tokens whose rows are shown: numbers, or a range [default: the last]
    #[arg(long, value_name = "FROM-TO", value_parser = range)]
    pub(crate) rows: Option<Range>,
    /// Heaviest keys of each row, or all
    #[arg(long, value_name = "K", default_value = "8", value_parser = top)]
    pub(crate) top: usize,
    /// Write the rows to a file, as the ending of its name says: .json, .parquet, .safetensors,
    /// .npz, .bertviz.json, .circuitsvis.json
    #[arg(short, value_name = "FILE")]
    pub(crate) o: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}

#[derive(Args, Debug)]
pub(crate) struct MapArgs {
    #[command(flatten)]
    pub(crate) text: TextArgs,
    #[command(flatten)]
    pub(crate) chosen: ChosenArgs,
    /// What pictures show, in the mean over the chosen layers and heads
    #[arg(long, value_name = "WHAT", default_value = "blocks")]
    pub(crate) show: MapShowArg,
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum MapShowArg {
    /// What each block of queries read of each block of keys
    Blocks,
    /// What the first token and the last 64 keys weigh, by layer
    Layers,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum EachArg {
    /// The whole answer
    Answer,
    Sentence,
    Word,
    Token,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum UnitArg {
    Paragraph,
    Sentence,
    Word,
    Token,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum LensArg {
    /// The share of attention
    Weight,
    /// The same, weighed by the length of what it carries
    Value,
    /// What it adds to the logits of the answer against the likeliest other tokens
    Logit,
}

impl UnitArg {
    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Paragraph => Unit::Paragraph,
            Self::Sentence => Unit::Sentence,
            Self::Word => Unit::Word,
            Self::Token => Unit::Token,
        }
    }
}

impl LensArg {
    pub(crate) fn lens(self) -> Lens {
        match self {
            Self::Weight => Lens::Weight,
            Self::Value => Lens::ValueNorm,
            Self::Logit => Lens::Logit,
        }
    }
}

/// Ascending or not; checked against a model later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbers(pub(crate) Vec<usize>);

pub(crate) type Range = std::ops::Range<u32>;

/// `0,5,8-11`
fn number_list(text: &str) -> Result<Numbers, String> {
    /// More than the layers or heads of any model.
    const N_MAX: usize = 1 << 16;
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let [first, last] = [first, last].map(|number| number.trim().parse::<usize>());
        match (first, last) {
            (Ok(first), Ok(last)) if first <= last && last < N_MAX => numbers.extend(first..=last),
            _ => return Err(format!("{part:?}: expected a number or a range such as 8-11")),
        }
    }
    Ok(Numbers(numbers))
}

/// `8` or `all`
fn top(text: &str) -> Result<usize, String> {
    match text {
        "all" => Ok(usize::MAX),
        number => number.parse().map_err(|_| "expected a number of keys, or all".to_owned()),
    }
}

/// `5` or `5-9`, the last included.
fn range(text: &str) -> Result<Range, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.trim().parse::<u32>(), last.trim().parse::<u32>()) {
        (Ok(first), Ok(last)) if first <= last && last < u32::MAX => Ok(first..last + 1),
        _ => Err("expected a token's number, or a range such as 5-9".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_numbers_and_ranges() {
        let check = |text: &str, expected: Option<&[usize]>| {
            let found = number_list(text).ok();
            assert_eq!(found.as_ref().map(|numbers| &numbers.0[..]), expected, "{text}");
        };
        check("3", Some(&[3]));
        check("0,5, 8-10", Some(&[0, 5, 8, 9, 10]));
        check("5-3", None);
        check("a", None);
        check("", None);
        check("0-99999999999", None);
        assert_eq!(range("7"), Ok(7..8));
        assert_eq!(range("7-9"), Ok(7..10));
        assert!(range("9-7").is_err() && range("-1").is_err());
        assert_eq!((top("8"), top("all")), (Ok(8), Ok(usize::MAX)));
        assert!(top("-1").is_err() && top("").is_err());
    }
}
