//! From `-m MODEL` to a model that is ready to run, with progress on the way.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use engine::runner::n_positions_max;
use engine::{Engine, LoadSettings, Loaded, ModelRunner, RunnerOptions, load_file};
use format::Mapping;
use kernels::KEY_BLOCK;
use model::kv::{KvPolicy, KvShape};
use model::load::ModelFile;
use model::{Arithmetic, Model, Pages, WorkspaceSize};

use crate::args::{CacheArgs, CtxArg, ModelArgs, RuntimeArgs};
use crate::bar::Bar;
use crate::hub::{self, HubConfig, HubError, ProgressStyle, Store};
use crate::interrupt::Interrupt;
use crate::kv_arg::KvArg;
use crate::machine::human_bytes;
use crate::{env, machine, memory, output};

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

/// Rows of logits at once. Drafts have several rows. Those after a wrong token are never asked for,
/// so a few at a time: one tile.
pub(crate) const N_LOGIT_ROWS_MAX: usize = kernels::TILE_TOKENS;

/// Room for an answer of no given length, with `--ctx auto`.
const ANSWER_ROOM: usize = 1024;

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

/// Opens a model that continues texts; a catalogue model that is not there yet is downloaded first.
pub(crate) fn open(
    args: &ModelArgs,
    arithmetic: Arithmetic,
    show: Show,
    interrupt: &Interrupt,
) -> Result<Opened> {
    let (_, opened) = load(args, arithmetic, show, interrupt, &mut |_| ())?;
    check_continues_text(&opened.loaded.model, &args.model)?;
    Ok(opened)
}

/// Opens a model of any kind, as [`open`]; `progress` is told how far it is, from 0 to 1, once its
/// file is there.
pub(crate) fn load(
    args: &ModelArgs,
    arithmetic: Arithmetic,
    show: Show,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(f64),
) -> Result<(ModelFile, Opened)> {
    let path = resolve_or_pull(&args.model, show, interrupt)?;
    let start = Instant::now();
    let mut bar = Bar::bytes(show, "loading");
    let (pages, quantize) = (Pages::Touch, args.quantize);
    let settings = LoadSettings { mapping: mapping(args), arithmetic, pages, quantize };
    let file = ModelFile::open(&path, settings.mapping)?;
    let loaded = load_file(&file, settings, &mut |n_done, n_total| {
        bar.set(n_done, n_total);
        progress(n_done as f64 / n_total.max(1) as f64);
    });
    bar.finish();
    let loaded = loaded?;
    if let Some(what) = loaded.model.skipped.what() {
        let (n, bytes) = (loaded.model.skipped.n_tensors(), loaded.model.skipped.n_bytes);
        let bytes = human_bytes(bytes);
        output::note(format_args!(
            "note: {what} cannot be given to this model here: {n} tensors ({bytes}) are skipped"
        ));
    }
    Ok((file, Opened { loaded, load_ms: start.elapsed().as_secs_f64() * 1e3 }))
}

/// Refuses a model that answers nothing.
///
/// # Errors
/// What kind of model it is.
pub(crate) fn check_continues_text(model: &Model, name: &str) -> Result<()> {
    if !model.continues_text() {
        bail!("{name} is an encoder: it reads whole texts and writes none; try `lookback embed`");
    }
    Ok(())
}

/// Refuses a model whose encoder reads the prompt: what it writes is another text, so there is no
/// one text to go on with, to score or to measure.
///
/// # Errors
/// What the model is for.
pub(crate) fn check_one_text(model: &Model, name: &str) -> Result<()> {
    if model.encoder.is_some() {
        bail!(
            "{name} reads a prompt with an encoder and answers it with a decoder: expected a model \
             that continues its text; this one answers `lookback run`"
        );
    }
    Ok(())
}

/// A path without its folders, a name as it is.
pub(crate) fn short_name(model: &str) -> &str {
    let name = model.trim_end_matches('/').rsplit('/').next().unwrap_or(model);
    name.strip_suffix(".gguf").unwrap_or(name)
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

/// The text that a context is for: what `--ctx auto` makes room for.
#[derive(Clone, Copy)]
pub(crate) enum Text {
    /// It grows as long as people talk.
    Conversation,
    /// Tokens of a prompt and, where that is known, of an answer.
    Prompt { n_prompt: usize, n_answer: Option<usize> },
}

/// A cache that is asked for: how, and what that is for a model.
#[derive(Clone, Copy)]
pub(crate) struct CacheOf<'a> {
    pub(crate) kv: &'a KvArg,
    pub(crate) shape: &'a KvShape,
}

/// The context: the flag, or what the model was trained for, as far as memory goes.
///
/// # Errors
/// A flag that asks for a cache larger than the memory of this machine, or for more positions than
/// the model knows.
fn n_ctx(flag: Option<CtxArg>, model: &Model, cache: CacheOf<'_>, text: Text) -> Result<usize> {
    let n_trained = model.config.n_ctx;
    let n = match flag {
        Some(CtxArg::Tokens(n)) => n as usize,
        Some(CtxArg::Auto) => return Ok(auto_n_ctx(n_trained, cache, text)),
        None => {
            let (n, why) = default_n_ctx(n_trained, n_positions_held(cache.shape));
            if n < n_trained {
                output::note(format_args!(
                    "note: the context is {n} tokens, not the {n_trained} that the model was \
                     trained for: {why}"
                ));
            }
            return Ok(n);
        }
    };
    check_positions(model, n)?;
    check_cache_fits(cache, n)?;
    if n > n_trained {
        output::note(format_args!(
            "note: --ctx {n}: the model was trained for {n_trained} tokens; beyond them it may \
             lose the thread"
        ));
    }
    Ok(n)
}

/// The context that a text needs, as far as the model and the memory available go; says what it
/// costs.
fn auto_n_ctx(n_trained: usize, CacheOf { kv, shape }: CacheOf<'_>, text: Text) -> usize {
    let available = memory::available_bytes();
    let n_held = available.map(|n_bytes| shape.positions_within(n_bytes as usize, N_TOKENS_MAX));
    let n = fitting_n_ctx(text, n_trained, n_held);
    let what = match text {
        Text::Conversation => "as the conversation grows".to_owned(),
        Text::Prompt { n_prompt, .. } => {
            let n_room = n.saturating_sub(n_prompt);
            format!("{n_prompt} of the prompt, room for {n_room} more")
        }
    };
    let n_tokens_max = workspace_size(n, N_LOGIT_ROWS_MAX).n_tokens_max;
    let cost = human_bytes(shape.bytes(n, n_tokens_max) as u64);
    let available = available.map(|n| format!(" of {} available", human_bytes(n)));
    output::note(format_args!(
        "note: --ctx auto: {n} tokens ({what}), {kv} cache of up to {cost}{}",
        available.unwrap_or_default()
    ));
    n
}

/// Whole blocks of what a text needs, but no more than a model was trained for, nor than is held.
fn fitting_n_ctx(text: Text, n_trained: usize, n_held: Option<usize>) -> usize {
    let n_wanted = match text {
        Text::Conversation => n_trained,
        Text::Prompt { n_prompt, n_answer } => {
            let n = n_prompt.saturating_add(n_answer.unwrap_or(ANSWER_ROOM));
            n.min(n_trained).next_multiple_of(KEY_BLOCK)
        }
    };
    n_wanted.min(n_trained).min(n_held.unwrap_or(N_CTX_UNKNOWN_MEMORY)).max(1)
}

/// Buffers of a command with a context.
pub(crate) fn workspace_size(n_ctx: usize, n_logit_rows_max: usize) -> WorkspaceSize {
    WorkspaceSize { n_ctx, n_tokens_max: N_TOKENS_MAX.min(n_ctx), n_logit_rows_max }
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

/// Refuses a text with positions that the model does not know.
///
/// # Errors
/// Both sizes.
pub(crate) fn check_positions(model: &Model, n_positions: usize) -> Result<()> {
    match model.n_positions_max() {
        Some(n_known) if n_positions > n_known => bail!(
            "a context of {n_positions} tokens: the model has learned {n_known} positions and \
             knows no others; use a shorter one"
        ),
        _ => Ok(()),
    }
}

/// Refuses a cache that this machine cannot hold.
///
/// # Errors
/// Both sizes.
pub(crate) fn check_cache_fits(cache: CacheOf<'_>, n_positions: usize) -> Result<()> {
    if let Some(n_held) = n_positions_held(cache.shape)
        && n_positions > n_held
    {
        bail!(
            "a {} cache for {n_positions} tokens does not fit into this machine's memory, which \
             holds {n_held}: use a shorter context or a smaller --kv",
            cache.kv
        );
    }
    Ok(())
}

/// Positions that a cache could hold if it had the whole memory; `None` where that is not known.
fn n_positions_held(shape: &KvShape) -> Option<usize> {
    memory::granted_bytes().map(|n_bytes| shape.positions_within(n_bytes as usize, N_TOKENS_MAX))
}

/// Cache, buffers and threads for a model: room for `n_parallel` texts as long as the context.
pub(crate) fn runner(
    loaded: &Loaded,
    runtime: &RuntimeArgs,
    cache: &CacheArgs,
    text: Text,
    (n_logit_rows_max, n_parallel): (usize, usize),
) -> Result<ModelRunner> {
    let kv = cache.kv_types(runtime);
    let model = &*loaded.model;
    let kv_shape = kv.shape(&model.config)?;
    let n_ctx = n_ctx(cache.ctx, model, CacheOf { kv: &kv, shape: &kv_shape }, text)?;
    let size = workspace_size(n_ctx, n_logit_rows_max);
    // What an encoder reads lies beside what the decoder writes.
    let n_texts = if model.encoder.is_some() { 2 } else { 1 };
    let kv_bytes_max = kv_bytes_max(&kv_shape, cache.kv_policy(), n_ctx, size.n_tokens_max);
    let options = RunnerOptions {
        kv_bytes_max: kv_bytes_max.saturating_mul(n_texts * n_parallel),
        kv_shape,
        n_threads: machine::n_threads(runtime.threads)?,
        size,
        kernels: machine::kernels()?,
    };
    Ok(ModelRunner::new(Arc::clone(&loaded.model), &options))
}

/// The budget of a cache: the context, or what a policy keeps beside what is computed.
fn kv_bytes_max(shape: &KvShape, policy: KvPolicy, n_ctx: usize, n_together: usize) -> usize {
    let under_policy = shape.bytes_under(policy, n_positions_max(policy, n_ctx), n_together);
    shape.bytes(n_ctx, n_together).max(under_policy)
}

pub(crate) fn engine(
    loaded: &Loaded,
    runtime: &RuntimeArgs,
    cache: &CacheArgs,
    text: Text,
) -> Result<Engine> {
    let runner = runner(loaded, runtime, cache, text, (N_LOGIT_ROWS_MAX, 1))?;
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
    fn models_have_short_names() {
        let check = |model, expected| assert_eq!(short_name(model), expected);
        check("qwen2.5-coder-0.5b", "qwen2.5-coder-0.5b");
        check("/models/tiny.Q4_1.gguf", "tiny.Q4_1");
        check("hf:owner/repo/tiny.gguf", "tiny");
        check("models/folder/", "folder");
    }

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

    #[test]
    fn auto_is_what_the_text_needs() {
        let check = |n_prompt, n_answer, n_held, expected| {
            let text = Text::Prompt { n_prompt, n_answer };
            assert_eq!(fitting_n_ctx(text, 8192, n_held), expected);
        };
        check(100, Some(28), Some(100_000), 128);
        check(100, Some(29), Some(100_000), 192);
        check(100, None, Some(100_000), 1152);
        check(9000, Some(1), Some(100_000), 8192);
        check(4000, Some(1), Some(640), 640);
        check(4000, Some(usize::MAX), None, 8192);
        assert_eq!(fitting_n_ctx(Text::Conversation, 8192, Some(6400)), 6400);
    }
}
