//! The command line: names that scripts rely on.

use std::path::PathBuf;
use std::str::FromStr;

use crate::embed_args::EmbedArgs;
use crate::inspect_args::InspectCommand;
use crate::kv_arg::{KvArg, kv_type};
use crate::serve_args::ServeArgs;
use clap::builder::NonEmptyStringValueParser as NonEmpty;
use clap::{Args, Parser, Subcommand, ValueEnum};
use kernels::DType;
use model::KvType;
use model::kv::KvPolicy;

/// Run open language models on your own machine and see where they look.
#[derive(Parser, Debug)]
#[command(name = "lookback", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Answer one prompt
    Run(RunArgs),
    /// Talk with a model
    Chat(ChatArgs),
    /// Show the tokens of a text
    Tokenize(TokenizeArgs),
    /// How likely a model finds a text
    Score(ScoreArgs),
    /// Texts as vectors, and how alike two texts are
    Embed(EmbedArgs),
    /// See where a model looked
    #[command(subcommand)]
    Inspect(InspectCommand),
    /// Serve models over HTTP, to clients made for OpenAI's and Anthropic's services
    Serve(ServeArgs),
    /// Measure the speed of a model on this machine
    Bench(BenchArgs),
    /// What is kept of a text: keys and values
    #[command(subcommand)]
    Kv(KvCommand),
    /// List the models that can be named with -m
    Models(JsonArgs),
    /// Download a model
    Pull(PullArgs),
    /// What a model will take: memory and time, before it is loaded
    Plan(PlanArgs),
    /// Describe a model
    Show(ShowArgs),
    /// Delete a downloaded model
    Rm(RmArgs),
}

#[derive(Subcommand, Debug)]
pub(crate) enum KvCommand {
    /// Measure what a smaller cache costs: speed, and how far answers are from those of f32
    Compare(CompareArgs),
}

#[derive(Args, Debug)]
pub(crate) struct JsonArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which model, and how its file is read.
#[derive(Args, Clone, Debug)]
pub(crate) struct ModelArgs {
    /// GGUF file, first part of a split one, Hugging Face folder, or a name from `lookback models`
    #[arg(short, long, value_name = "MODEL", default_value = crate::hub::DEFAULT_MODEL)]
    pub(crate) model: String,
    /// Read the whole file into memory instead of mapping it
    #[arg(long)]
    pub(crate) no_mmap: bool,
    /// Quantise weights that are floats while loading: q8_0, half of BF16 to read for each token;
    /// score tells what it costs
    #[arg(long, value_name = "TYPE", value_parser = weight_type)]
    pub(crate) quantize: Option<DType>,
}

pub(crate) fn weight_type(text: &str) -> Result<DType, String> {
    match text {
        "q8_0" => Ok(DType::Q8_0),
        _ => Err("expected q8_0".to_owned()),
    }
}

/// How the model is run.
#[derive(Args, Clone, Debug)]
pub(crate) struct RuntimeArgs {
    /// Threads [default: the physical cores that this process may use]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Dequantise weights to f32 and compute in f32: slow, the oracle
    #[arg(long)]
    pub(crate) exact: bool,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct CacheArgs {
    /// Context in tokens, or auto: what the text needs [default: what the model was trained for]
    #[arg(long, value_name = "N")]
    pub(crate) ctx: Option<CtxArg>,
    /// How keys and values are stored: f32, f16, bf16, q8_0, q5_0, q4_0, or K/V such as q8_0/q4_0;
    /// q4_0:0=f16:8-9=q8_0 stores layers 0, 8 and 9 otherwise [default: f16, or f32 with --exact]
    #[arg(long, value_name = "TYPE")]
    pub(crate) kv: Option<KvArg>,
    /// Let the text grow without end: window=N looks back at the last N tokens and at the first 4,
    /// window=N,sinks=M at the first M. Or answer sooner, by an approximation: blocks=N looks at
    /// the N blocks of 64 tokens that may matter most; snapkv=N keeps about N tokens of the prompt,
    /// those that its end looked at, expected=N those that the answer may look at [default: all]
    #[arg(long, value_name = "POLICY")]
    pub(crate) kv_policy: Option<KvPolicy>,
    /// How keys are stored, where it differs from --kv
    #[arg(long, value_name = "TYPE", value_parser = kv_type, hide = true)]
    pub(crate) cache_type_k: Option<KvType>,
    /// How values are stored, where it differs from --kv
    #[arg(long, value_name = "TYPE", value_parser = kv_type, hide = true)]
    pub(crate) cache_type_v: Option<KvType>,
}

/// A context: so many tokens, or as many as a text needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CtxArg {
    Auto,
    Tokens(u32),
}

impl FromStr for CtxArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let n = text.parse().ok().filter(|&n| n > 0).map(Self::Tokens);
        n.ok_or_else(|| "expected a number of tokens from 1 on, or auto".to_owned())
    }
}

#[derive(Args, Debug)]
pub(crate) struct SavedKvArgs {
    /// Save the keys and values of the text, so that it need not be read again
    #[arg(long, value_name = "FILE", conflicts_with = "kv_policy")]
    pub(crate) save_kv: Option<PathBuf>,
    /// Begin with saved keys and values; a prompt that begins like their text reuses them
    #[arg(long, value_name = "FILE", conflicts_with = "kv_policy")]
    pub(crate) load_kv: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum SpeculateArg {
    /// Where it pays
    Auto,
    /// One token at a time
    Off,
}

#[derive(Args, Debug)]
pub(crate) struct SamplingArgs {
    /// Most tokens to write [default: until the model stops or the context is full]
    #[arg(short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) n: Option<u32>,
    /// 0 always takes the likeliest token
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    pub(crate) temperature: Option<f32>,
    /// Keep the K likeliest tokens (0: all)
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    pub(crate) top_k: Option<u32>,
    /// Keep the likeliest tokens that together reach P
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub(crate) top_p: Option<f32>,
    /// Drop tokens below P times the likeliest
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub(crate) min_p: Option<f32>,
    /// Divide the logits of tokens already written (1: off)
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    pub(crate) repeat_penalty: Option<f32>,
    /// Subtract from the logits of tokens already written
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    pub(crate) presence_penalty: Option<f32>,
    /// Subtract for every time a token was written
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    pub(crate) frequency_penalty: Option<f32>,
    /// Add B to the logit of token ID; can be given several times
    #[arg(long, value_name = "ID=B", value_parser = parse_bias, allow_hyphen_values = true)]
    pub(crate) logit_bias: Vec<(u32, f32)>,
    /// Same seed, same answer [default: a new one each time]
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// Stop before this text; can be given several times
    #[arg(long, value_name = "S", allow_hyphen_values = true, value_parser = NonEmpty::new())]
    pub(crate) stop: Vec<String>,
    /// Compute tokens ahead where the text repeats itself: the same answer, sooner
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) speculate: SpeculateArg,
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// The prompt; `-` reads standard input. With -f it follows the file's text
    pub(crate) prompt: Option<String>,
    /// Read the prompt from a file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Continue the prompt as plain text, without the chat template
    #[arg(long, conflicts_with = "system")]
    pub(crate) raw: bool,
    /// System prompt
    #[arg(long, value_name = "S")]
    pub(crate) system: Option<String>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
    #[command(flatten)]
    pub(crate) saved_kv: SavedKvArgs,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ChatArgs {
    /// System prompt
    #[arg(long, value_name = "S")]
    pub(crate) system: Option<String>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
    #[command(flatten)]
    pub(crate) saved_kv: SavedKvArgs,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    /// Print one JSON object an answer
    #[arg(long)]
    pub(crate) json: bool,
}

/// A text from the command line, a file or standard input.
#[derive(Args, Debug)]
pub(crate) struct TextArgs {
    /// The text; `-` reads standard input
    pub(crate) text: Option<String>,
    /// Read the text from a file
    #[arg(short, long, value_name = "FILE", conflicts_with = "text")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct TokenizeArgs {
    #[command(flatten)]
    pub(crate) text: TextArgs,
    /// Text may name special tokens
    #[arg(long)]
    pub(crate) special: bool,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ScoreArgs {
    #[command(flatten)]
    pub(crate) text: TextArgs,
    /// Token ids instead of a text, e.g. 1,2,3
    #[arg(long, value_name = "IDS", value_delimiter = ',', conflicts_with_all = ["text", "file"])]
    pub(crate) ids: Vec<u32>,
    /// Logits of the last position to show
    #[arg(long, value_name = "K", default_value_t = 16)]
    pub(crate) top: usize,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// Prompt tokens (0: no prompt test)
    #[arg(short, value_name = "N", default_value_t = 512)]
    pub(crate) p: usize,
    /// Tokens to decode (0: no decode test)
    #[arg(short, value_name = "N", default_value_t = 64)]
    pub(crate) n: usize,
    /// Depths: tokens already in the cache
    #[arg(short, value_name = "N,...", value_delimiter = ',', default_value = "0")]
    pub(crate) d: Vec<usize>,
    /// How keys and values are stored [default: f16, or f32 with --exact]
    #[arg(long, value_name = "TYPE,...", value_delimiter = ',')]
    pub(crate) kv: Vec<KvArg>,
    /// Sequences that decode together; their tokens are counted together
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1")]
    pub(crate) parallel: Vec<usize>,
    /// Repetitions; the median counts
    #[arg(short, value_name = "N", default_value_t = 3)]
    pub(crate) r: usize,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// The text to read [default: one that is made up, as long as needed]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// How keys are stored [default: every type]
    #[arg(long, value_name = "TYPE,...", value_delimiter = ',', value_parser = kv_type)]
    pub(crate) k_types: Vec<KvType>,
    /// How values are stored, each with each type of keys [default: as the keys]
    #[arg(long, value_name = "TYPE,...", value_delimiter = ',', value_parser = kv_type)]
    pub(crate) v_types: Vec<KvType>,
    /// What to let go of, as for --kv-policy of run; can be given several times [default: all]
    #[arg(long, value_name = "POLICY")]
    pub(crate) kv_policy: Vec<KvPolicy>,
    /// Depths at which is measured: tokens already in the cache
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "512,2048")]
    pub(crate) depths: Vec<u32>,
    /// Tokens to decode at each depth
    #[arg(short, value_name = "N", default_value_t = 128)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) n: u32,
    /// Numbers to hide in the text before the largest depth, and to ask for after it (0 to 8)
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=8))]
    pub(crate) needles: u8,
    /// Draw divergence against bytes; the name ends in .svg or .png
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    /// Context in tokens [default: what the model was trained for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) ctx: Option<u32>,
    /// How keys and values are stored: f32, f16, bf16, q8_0, q5_0, q4_0, or K/V such as q8_0/q4_0;
    /// q4_0:0=f16:8-9=q8_0 stores layers 0, 8 and 9 otherwise [default: f16, or f32 with --exact]
    #[arg(long, value_name = "TYPE")]
    pub(crate) kv: Option<KvArg>,
    /// What to let go of, as for --kv-policy of run [default: all]
    #[arg(long, value_name = "POLICY")]
    pub(crate) kv_policy: Option<KvPolicy>,
    /// Sequences at once, each with its own context
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) parallel: u32,
    /// Tokens of the prompt [default: the context without those of --generate]
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) prompt: Option<u32>,
    /// Tokens of the answer [default: 128, or a quarter of a shorter context]
    #[arg(long, value_name = "G", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) generate: Option<u32>,
    /// Only say whether it fits into the memory available; exit status 1 where it does not
    #[arg(long)]
    pub(crate) fits: bool,
    /// Measure this machine again
    #[arg(long, conflicts_with = "fits")]
    pub(crate) recalibrate: bool,
    /// A model as for run
    #[arg(short, long, value_name = "MODEL", default_value = crate::hub::DEFAULT_MODEL)]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct PullArgs {
    /// A name from `lookback models`, or hf:owner/repo/file.gguf
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// A model as for -m
    #[arg(default_value = crate::hub::DEFAULT_MODEL)]
    pub(crate) model: String,
    /// List every tensor
    #[arg(long)]
    pub(crate) tensors: bool,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RmArgs {
    /// A downloaded model
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

impl RuntimeArgs {
    /// An oracle must not round what it remembers either.
    pub(crate) fn default_kv(&self) -> KvArg {
        let kind = if self.exact { KvType::F32 } else { KvType::F16 };
        KvArg::of(kind)
    }
}

impl CacheArgs {
    pub(crate) fn kv_policy(&self) -> KvPolicy {
        self.kv_policy.unwrap_or(KvPolicy::KeepAll)
    }

    /// What the flags say, over the default of the arithmetic.
    pub(crate) fn kv_types(&self, runtime: &RuntimeArgs) -> KvArg {
        let mut kv = self.kv.clone().unwrap_or(runtime.default_kv());
        kv.k = self.cache_type_k.unwrap_or(kv.k);
        kv.v = self.cache_type_v.unwrap_or(kv.v);
        kv
    }
}

impl SpeculateArg {
    pub(crate) fn speculation(self) -> engine::Speculation {
        match self {
            SpeculateArg::Auto => engine::Speculation::Auto,
            SpeculateArg::Off => engine::Speculation::Off,
        }
    }
}

fn parse_bias(text: &str) -> Result<(u32, f32), String> {
    let (id, bias) = text.split_once('=').ok_or("expected ID=BIAS, e.g. 42=-5")?;
    let id = id.trim().parse().map_err(|_| format!("{id:?} is not a token id"))?;
    let bias = bias.trim().parse().map_err(|_| format!("{bias:?} is not a number"))?;
    Ok((id, bias))
}
