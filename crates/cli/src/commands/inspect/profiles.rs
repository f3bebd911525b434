//! Profiles of models' heads, kept beside the models: measured once for each model.

use anyhow::Result;
use engine::{ChatTemplate, Engine};
use inspect::profile::{Effort, Profile, Profiles};
use inspect::prompts::{PromptError, Prompts};

use super::session::Session;
use crate::inspect_args::ProfileArgs;
use crate::{open, output};

/// Longest prompt and answer of what a profile is made of, in tokens. Planted documents have few
/// hundred words, of which no tokenizer makes more.
const N_TOKENS: usize = 2048;
const N_ANSWER: usize = 64;

/// The profile of a session's model: that which was kept, or one that is made now, and kept.
///
/// # Errors
/// A file that is damaged or of another model, and what becomes of requests.
pub(super) fn profile(
    session: &Session<'_>,
    template: Option<&ChatTemplate>,
    args: &ProfileArgs,
) -> Result<Profile> {
    let profiles = Profiles::beside(&open::hub_config()?.models_dir);
    if !args.recalibrate
        && let Some(profile) = profiles.find(&session.loaded.model)?
    {
        return Ok(profile);
    }
    output::note(format_args!(
        "measuring the heads of {} on planted documents, once; it takes minutes",
        session.name()
    ));
    let mut engine = engine(session)?;
    let profile = session.inspect(&mut engine, |inspector| {
        let prompts = Prompts { tokenizer: inspector.tokenizer, template };
        let of = (session.name(), Effort::default());
        Profile::measure(inspector, prompts, of).map_err(plain)
    })?;
    if let Err(err) = profiles.keep(&profile) {
        output::note(format_args!("warning: the profile is not kept: {err}"));
    }
    Ok(profile)
}

/// An engine with room for planted documents, as far as the model has it.
pub(super) fn engine(session: &Session<'_>) -> Result<Engine> {
    let n_ctx = session.loaded.model.config.n_ctx;
    session.engine(N_TOKENS.min(n_ctx.saturating_sub(N_ANSWER)), N_ANSWER)
}

/// An error of a prompt, as what it wraps.
pub(super) fn plain(err: PromptError) -> anyhow::Error {
    match err {
        PromptError::Inspect(err) => err.into(),
        err => err.into(),
    }
}
