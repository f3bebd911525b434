//! `lookback inspect`: where a model looked. One file a question.

mod case;
mod diff;
mod drown;
mod look;
mod map;
mod rows;
mod session;
mod trial;

use std::process::ExitCode;

use anyhow::Result;
use inspect::{AskError, InspectError};

use crate::inspect_args::InspectCommand;
use crate::interrupt::EXIT_INTERRUPTED;

pub(crate) fn inspect(command: &InspectCommand) -> Result<ExitCode> {
    let result = match command {
        InspectCommand::Look(args) => look::look(args),
        InspectCommand::Rows(args) => rows::rows(args),
        InspectCommand::Map(args) => map::map(args),
        InspectCommand::Drown(args) => drown::drown(args),
        InspectCommand::Diff(args) => diff::diff(args),
        InspectCommand::Trial(args) => trial::trial(args),
    };
    match result {
        Err(err) if is_stopped(&err) => Ok(ExitCode::from(EXIT_INTERRUPTED)),
        result => result.map(|()| ExitCode::SUCCESS),
    }
}

fn is_stopped(err: &anyhow::Error) -> bool {
    matches!(err.downcast_ref(), Some(InspectError::Ask(AskError::Stopped)))
        || matches!(err.downcast_ref(), Some(AskError::Stopped))
}
