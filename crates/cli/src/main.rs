//! The binary `lookback`: open language models on your own machine.

#![forbid(unsafe_code)]

mod args;
mod bar;
mod calibration;
mod commands;
mod embed_args;
mod env;
mod generate;
mod hub;
mod inspect_args;
mod interrupt;
mod kv_arg;
mod machine;
mod memory;
mod open;
#[cfg(not(feature = "otlp"))]
#[path = "no_otlp.rs"]
mod otlp;
#[cfg(feature = "otlp")]
mod otlp;
mod output;
mod plot_arg;
mod prediction;
mod saved_kv;
mod serve_args;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use commands::{bench, chat, embed, inspect, kv, models, plan, run, score, serve, show, tokenize};
use hub::HubError;
use interrupt::EXIT_INTERRUPTED;

/// The command line was understood but asks for nothing that can be done: exit status 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Chat(args) => chat::chat(args),
        Command::Tokenize(args) => tokenize::tokenize(args),
        Command::Score(args) => score::score_text(args),
        Command::Embed(args) => embed::embed(args),
        Command::Inspect(command) => inspect::inspect(command),
        Command::Serve(args) => serve::serve(args),
        Command::Bench(args) => bench::bench(args),
        Command::Kv(command) => kv::kv(command),
        Command::Models(args) => models::models(args),
        Command::Pull(args) => models::pull(args),
        Command::Plan(args) => plan::plan(args),
        Command::Show(args) => show::show(args),
        Command::Rm(args) => models::remove(args),
    };
    result.unwrap_or_else(|err| report(&err))
}

/// Says what went wrong, once; the status tells scripts whose fault it was.
fn report(err: &anyhow::Error) -> ExitCode {
    if err.is::<output::Closed>() {
        return ExitCode::SUCCESS;
    }
    output::note(format_args!("error: {err:#}"));
    match err.downcast_ref() {
        Some(HubError::Cancelled { .. }) => ExitCode::from(EXIT_INTERRUPTED),
        _ if err.is::<Usage>() => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}
