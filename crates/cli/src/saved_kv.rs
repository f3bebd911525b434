//! `--save-kv` and `--load-kv`: a long text is read once.

use std::path::Path;

use anyhow::{Context, Result, bail};
use engine::Engine;
use model::Model;

use crate::args::SavedKvArgs;
use crate::output;

/// Refuses both where an encoder reads the prompt: what was computed belongs to that one alone.
pub(crate) fn check(args: &SavedKvArgs, model: &Model) -> Result<()> {
    let flags = [("--save-kv", &args.save_kv), ("--load-kv", &args.load_kv)];
    if let Some((flag, _)) =
        flags.iter().find(|(_, path)| path.is_some() && model.encoder.is_some())
    {
        bail!("{flag}: the model reads a prompt with an encoder, and no other text begins like it");
    }
    Ok(())
}

/// Loads what `--load-kv` names, and makes sure that `--save-kv` can be written: nobody wants to
/// learn of it after the work.
pub(crate) fn begin(args: &SavedKvArgs, engine: &mut Engine) -> Result<()> {
    if let Some(path) = &args.save_kv {
        check_writable(path)?;
    }
    if let Some(path) = &args.load_kv {
        let tokens = engine.load_kv(path).context("--load-kv")?;
        output::note(format_args!("loaded {} tokens from {}", tokens.len(), path.display()));
    }
    Ok(())
}

/// Saves the text of the last answer, if `--save-kv` says so.
pub(crate) fn end(args: &SavedKvArgs, engine: &mut Engine, tokens: &[u32]) -> Result<()> {
    if let Some(path) = &args.save_kv {
        let n = engine.save_kv(tokens, path).context("--save-kv")?;
        output::note(format_args!("saved {n} tokens to {}", path.display()));
    }
    Ok(())
}

/// A file is begun beside the path and dropped again; what was there stays.
fn check_writable(path: &Path) -> Result<()> {
    format::Output::create(path).context("--save-kv")?;
    Ok(())
}
