//! `lookback kv`: keys and values, and what is done with them.

mod chart;
mod compare;
mod lines;

use std::process::ExitCode;

use anyhow::Result;

use crate::args::KvCommand;

pub(crate) fn kv(command: &KvCommand) -> Result<ExitCode> {
    match command {
        KvCommand::Compare(args) => compare::compare(args),
    }
}
