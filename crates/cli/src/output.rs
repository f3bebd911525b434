//! Answers on standard output, everything else on standard error. Either may be closed early.

use std::fmt::Display;
use std::io::{self, Write};

use anyhow::{Context, Result};
use serde::Serialize;

/// Whoever read standard output has gone (`lookback run ... | head -1`): nothing is left to do.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads standard output any more")]
pub(crate) struct Closed;

/// Part of an answer, shown at once.
///
/// # Errors
/// [`Closed`], or what else keeps standard output from taking it.
pub(crate) fn text(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        written => written.context("cannot write to standard output"),
    }
}

/// One line for people.
///
/// # Errors
/// As [`text`].
pub(crate) fn line(line: impl Display) -> Result<()> {
    text(&format!("{line}\n"))
}

/// One line for programs.
///
/// # Errors
/// As [`text`].
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    line(serde_json::to_string(value)?)
}

/// One line on standard error. Where that is closed, nobody misses it.
pub(crate) fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
