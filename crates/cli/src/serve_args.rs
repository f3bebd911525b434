//! The command line of `lookback serve`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kernels::DType;

use crate::args::{CacheArgs, ModelArgs, RuntimeArgs, weight_type};
use crate::kv_arg::KvArg;

#[derive(Args, Clone, Debug)]
pub(crate) struct ServeArgs {
    /// GGUF file, Hugging Face folder, or a name from `lookback models`; several are all served,
    /// and requests name one. NAME=MODEL gives it another name
    #[arg(short, long = "model", value_name = "MODEL", default_value = crate::hub::DEFAULT_MODEL)]
    pub(crate) models: Vec<String>,
    /// Load models when they are first asked for, instead of all at the start
    #[arg(long)]
    pub(crate) on_demand: bool,
    /// Most models in memory at once, with --on-demand: the one asked least recently makes room
    #[arg(long, value_name = "N", requires = "on_demand",
        value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) loaded_max: Option<u16>,
    /// Let go of a model that nobody has asked for so long, with --on-demand
    #[arg(long, value_name = "SECONDS", requires = "on_demand",
        value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) idle_unload: Option<u64>,
    /// Read whole files into memory instead of mapping them
    #[arg(long)]
    pub(crate) no_mmap: bool,
    /// Quantise weights that are floats while loading: q8_0
    #[arg(long, value_name = "TYPE", value_parser = weight_type)]
    pub(crate) quantize: Option<DType>,
    /// Address to listen on; others than this machine's own need keys
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// Port to listen on; 0: one that is free
    #[arg(long, value_name = "N", default_value_t = 8080)]
    pub(crate) port: u16,
    /// Answer only those who send one of the keys in this file, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Certificate, as PEM with those it follows from: answer over HTTPS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of the certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Let pages of this origin ask, such as https://chat.example; * lets all; can be given several
    /// times
    #[arg(long = "cors", value_name = "ORIGIN")]
    pub(crate) origins: Vec<String>,
    /// Texts as long as the context that the cache has room for together; more wait, or begin anew
    #[arg(long, value_name = "N", default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) parallel: u16,
    /// End answers that take longer, with what they have
    #[arg(long, value_name = "SECONDS", default_value_t = 3600,
        value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) time_limit: u64,
    /// Let fields of requests pass that nobody knows
    #[arg(long)]
    pub(crate) lenient: bool,
    /// What is written to stderr of each request
    #[arg(long, value_name = "FORM", value_enum, default_value_t = LogForm::Text)]
    pub(crate) log: LogForm,
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
    /// How keys and values of one model are stored, where it differs from --kv; can be given
    /// several times
    #[arg(long, value_name = "NAME=TYPE", value_parser = kv_of)]
    pub(crate) kv_of: Vec<KvOf>,
}

/// The cache of the model with this name.
#[derive(Clone, Debug)]
pub(crate) struct KvOf {
    pub(crate) name: String,
    kv: KvArg,
}

fn kv_of(text: &str) -> Result<KvOf, String> {
    let (name, kv) = text.split_once('=').ok_or("expected NAME=TYPE, such as qwen=q8_0")?;
    Ok(KvOf { name: name.to_owned(), kv: kv.parse()? })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
    /// Nothing
    Off,
}

impl ServeArgs {
    /// The cache of a model.
    pub(crate) fn cache_of(&self, name: &str) -> CacheArgs {
        let cache = self.cache.clone();
        match self.kv_of.iter().find(|of| of.name == name) {
            None => cache,
            Some(KvOf { kv, .. }) => {
                CacheArgs { kv: Some(kv.clone()), cache_type_k: None, cache_type_v: None, ..cache }
            }
        }
    }

    pub(crate) fn model(&self, name: &str) -> ModelArgs {
        let (no_mmap, quantize) = (self.no_mmap, self.quantize);
        ModelArgs { model: name.to_owned(), no_mmap, quantize }
    }
}
