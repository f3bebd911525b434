//! From `-m MODEL` to a model that is ready to run, with progress on the way.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use engine::{Engine, LoadSettings, Loaded, ModelRunner, RunnerOptions, load_model};
use format::Mapping;
use model::kv::KvShape;
use model::{Arithmetic, Pages, WorkspaceSize};

use crate::args::{CacheArgs, KvArg, ModelArgs, RuntimeArgs};
use crate::bar::Bar;
use crate::hub::{self, HubConfig, HubError, ProgressStyle, Store};
use crate::interrupt::Interrupt;
use crate::{env, machine, output};

/// A model in memory and how long that took.
pub(crate) struct Opened {
    pub(crate) loaded: Loaded,
    pub(crate) load_ms: f64,
}

/// Whether progress is shown on stderr.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    Progress,
    Nothing,
}

/// Rows of one forward pass of every command: each weight that is unpacked meets many of them,
/// and the buffers stay small beside the weights.
pub(crate) const N_TOKENS_MAX: usize = 256;

/// The context where the system does not say how much memory there is: long texts, and a cache
/// of a few GB for a model of a few billion parameters.
const N_CTX_UNKNOWN_MEMORY: usize = 32_768;

pub(crate) fn hub_config() -> Result<HubConfig> {
    let models_dir = match env::models_dir() {
        Some(dir) => dir,
        None => hub::platform_models_dir()?,
    };
    let hf_endpoint = env::hf_endpoint().unwrap_or_else(|| "https://huggingface.co".into());
    Ok(HubConfig { models_dir, hf_endpoint, hf_token: env::hf_token(), python: None })
}

/// Opens a model; a catalogue model that is not there yet is downloaded first.
pub(crate) fn open(
    args: &ModelArgs,
    arithmetic: Arithmetic,
    show: Show,
    interrupt: &Interrupt,
) -> Result<Opened> {
    let path = resolve_or_pull(&args.model, show, interrupt)?;
    let start = Instant::now();
    let mut bar = Bar::bytes(show, "loading");
    let settings = LoadSettings { mapping: mapping(args), arithmetic, pages: Pages::Touch };
    let loaded = load_model(&path, settings, &mut |n_done, n_total| bar.set(n_done, n_total));
    bar.finish();
    let loaded = loaded?;
    Ok(Opened { loaded, load_ms: start.elapsed().as_secs_f64() * 1e3 })
}

/// The path that a name means; a model that is not there yet is downloaded.
pub(crate) fn resolve_or_pull(
    name: &str,
    show: Show,
    interrupt: &Interrupt,
) -> Result<std::path::PathBuf> {
    let config = hub_config()?;
    match Store::at(&config.models_dir).resolve(name) {
        Err(HubError::NotPulled { name }) => pull(&config, &name, show, interrupt),
        resolved => Ok(resolved?),
    }
}

/// Downloads a model and returns its path.
pub(crate) fn pull(
    config: &HubConfig,
    name: &str,
    show: Show,
    interrupt: &Interrupt,
) -> Result<std::path::PathBuf> {
    let style = match show {
        Show::Progress => ProgressStyle::Human,
        Show::Nothing => ProgressStyle::Silent,
    };
    let mut progress = hub::progress(style);
    let model = hub::Model::parse(name)?;
    let path = hub::pull(config, &model, progress.as_mut(), interrupt.flag())?;
    Ok(path)
}

pub(crate) fn mapping(args: &ModelArgs) -> Mapping {
    if args.no_mmap { Mapping::Read } else { Mapping::Mmap }
}

pub(crate) fn arithmetic(args: &RuntimeArgs) -> Arithmetic {
    if args.exact { Arithmetic::Exact } else { Arithmetic::Int8 }
}

/// The context: the flag, or what the model was trained for, as far as memory goes.
///
/// # Errors
/// A flag that asks for a cache larger than the memory of this machine.
fn n_ctx(flag: Option<u32>, loaded: &Loaded, kv: KvArg) -> Result<usize> {
    let n_trained = loaded.model.config.n_ctx;
    let Some(n) = flag else {
        let (n, why) = default_n_ctx(n_trained, n_positions_held(loaded, kv));
        if n < n_trained {
            output::note(format_args!(
                "note: the context is {n} tokens, not the {n_trained} that the model was trained \
                 for: {why}"
            ));
        }
        return Ok(n);
    };
    let n = n as usize;
    check_cache_fits(loaded, kv, n)?;
    if n > n_trained {
        output::note(format_args!(
            "note: --ctx {n}: the model was trained for {n_trained} tokens; beyond them it may \
             lose the thread"
        ));
    }
    Ok(n)
}

/// The context without a flag, and why it is no longer. `n_held`: see [`n_positions_held`].
fn default_n_ctx(n_trained: usize, n_held: Option<usize>) -> (usize, &'static str) {
    match n_held {
        Some(n_held) => (n_trained.min(n_held), "this machine's memory holds no more"),
        None => (
            n_trained.min(N_CTX_UNKNOWN_MEMORY),
            "this system does not say how much memory it has; --ctx N sets another",
        ),
    }
}

/// Refuses a cache that this machine cannot hold.
///
/// # Errors
/// Both sizes.
pub(crate) fn check_cache_fits(loaded: &Loaded, kv: KvArg, n_positions: usize) -> Result<()> {
    if let Some(n_held) = n_positions_held(loaded, kv)
        && n_positions > n_held
    {
        bail!(
            "a {} cache for {n_positions} tokens does not fit into this machine's memory, which \
             holds {n_held}: use a shorter context or a smaller --kv",
            kv
        );
    }
    Ok(())
}

/// Positions that a cache could hold if it had the whole memory; `None` where that is not known.
fn n_positions_held(loaded: &Loaded, kv: KvArg) -> Option<usize> {
    let shape = KvShape::of(&loaded.model.config, kv.k, kv.v);
    machine::memory_bytes().map(|n_bytes| shape.positions_within(n_bytes as usize, N_TOKENS_MAX))
}

/// Cache, buffers and threads for a model.
pub(crate) fn runner(
    loaded: &Loaded,
    runtime: &RuntimeArgs,
    cache: &CacheArgs,
    n_logit_rows_max: usize,
) -> Result<ModelRunner> {
    let kv = cache.kv_types(runtime);
    let n_ctx = n_ctx(cache.ctx, loaded, kv)?;
    let n_tokens_max = N_TOKENS_MAX.min(n_ctx);
    let kv_shape = KvShape::of(&loaded.model.config, kv.k, kv.v);
    let options = RunnerOptions {
        n_ctx,
        kv_bytes_max: kv_shape.bytes(n_ctx, n_tokens_max),
        kv_shape,
        n_threads: machine::n_threads(runtime.threads)?,
        size: WorkspaceSize { n_tokens_max, n_logit_rows_max },
        kernels: machine::kernels()?,
    };
    Ok(ModelRunner::new(Arc::clone(&loaded.model), &options))
}

pub(crate) fn engine(loaded: &Loaded, runtime: &RuntimeArgs, cache: &CacheArgs) -> Result<Engine> {
    /// Drafts have several rows. Those after a wrong token are never asked for, so a few at a time:
    /// one tile.
    const N_LOGIT_ROWS_MAX: usize = kernels::TILE_TOKENS;
    let runner = runner(loaded, runtime, cache, N_LOGIT_ROWS_MAX)?;
    Ok(Engine::new(Box::new(runner), loaded.tokenizer.clone()))
}

/// A text from the argument, a file, or standard input when the argument is `-` or missing.
pub(crate) fn read_text(
    argument: Option<&str>,
    file: Option<&std::path::Path>,
    what: &str,
) -> Result<String> {
    use std::io::{IsTerminal as _, Read as _};
    if let Some(path) = file {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        return String::from_utf8(bytes)
            .map_err(|err| anyhow::anyhow!("{}: not UTF-8 text: {err}", path.display()));
    }
    match argument {
        Some(text) if text != "-" => Ok(text.to_owned()),
        None if std::io::stdin().is_terminal() => bail!(crate::Usage(format!(
            "no {what}: give it as an argument, with -f FILE, or on standard input"
        ))),
        _ => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .context("cannot read standard input as UTF-8 text")?;
            Ok(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_is_as_long_as_the_model_and_the_memory_allow() {
        let check = |n_trained, n_held, expected| {
            assert_eq!(default_n_ctx(n_trained, n_held).0, expected);
        };
        check(8192, Some(100_000), 8192);
        check(131_072, Some(100_000), 100_000);
        check(8192, None, 8192);
        check(131_072, None, 32_768);
    }
}
