//! `lookback inspect`: where a model looked. One file a question.

mod case;
mod contradict;
mod diff;
mod drown;
mod files;
mod ground;
mod heads;
mod inject;
mod look;
mod look_files;
mod map;
mod map_pictures;
mod profiles;
mod rows;
mod rows_files;
mod session;
mod trial;
mod who;

use std::process::ExitCode;

use anyhow::Result;
use inspect::{AskError, InspectError};

use crate::inspect_args::InspectCommand;
use crate::interrupt::EXIT_INTERRUPTED;

pub(crate) fn inspect(command: &InspectCommand) -> Result<ExitCode> {
    let result = match command {
        InspectCommand::Look(args) => look::look(args),
        InspectCommand::Who(args) => who::who(args),
        InspectCommand::Contradict(args) => contradict::contradict(args),
        InspectCommand::Rows(args) => rows::rows(args),
        InspectCommand::Map(args) => map::map(args),
        InspectCommand::Heads(args) => heads::heads(args),
        InspectCommand::Inject(args) => inject::inject(args),
        InspectCommand::Ground(args) => ground::ground(args),
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
