//! The command line of `lookback serve`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use kernels::DType;

use crate::args::{CacheArgs, ModelArgs, RuntimeArgs, weight_type};

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// GGUF file, Hugging Face folder, or a name from `lookback models`; several are all loaded,
    /// and requests name one
    #[arg(short, long = "model", value_name = "MODEL", default_value = crate::hub::DEFAULT_MODEL)]
    pub(crate) models: Vec<String>,
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
    /// Texts as long as the context that the cache has room for together; more wait, or begin anew
    #[arg(long, value_name = "N", default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) parallel: u16,
    /// Let fields of requests pass that nobody knows
    #[arg(long)]
    pub(crate) lenient: bool,
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

impl ServeArgs {
    pub(crate) fn model(&self, name: &str) -> ModelArgs {
        let (no_mmap, quantize) = (self.no_mmap, self.quantize);
        ModelArgs { model: name.to_owned(), no_mmap, quantize }
    }
}
