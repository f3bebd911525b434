//! `lookback kv compare`: what each type of cache costs, beside one of f32.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use engine::kv_compare::{KvCompare, KvSetting, Measured, Needles, Passage, sample_text, settings};
use engine::{Loaded, RunnerOptions, SpecialText};
use model::WorkspaceSize;
use model::kv::KvType;

use super::{chart, lines};
use crate::args::CompareArgs;
use crate::bar::Bar;
use crate::interrupt::{EXIT_INTERRUPTED, Interrupt};
use crate::kv_arg::{KvArg, check_own_values};
use crate::open::{self, CacheOf, N_TOKENS_MAX, Show};
use crate::{machine, memory, output, plot_arg};

pub(crate) fn compare(args: &CompareArgs) -> Result<ExitCode> {
    let plot_file = args.plot.as_deref().map(plot_arg::plot_file).transpose()?;
    let all = KvType::ALL;
    let k_types = if args.k_types.is_empty() { &all[..] } else { &args.k_types };
    let policies = args.kv_policy.clone();
    let settings = settings(k_types, &args.v_types, &policies);
    let text = args.file.as_deref().map(|path| open::read_text(None, Some(path), "text"));
    let text = text.transpose()?;
    let interrupt = Interrupt::install()?;
    let show = if args.output.json { Show::Nothing } else { Show::Progress };
    let opened = open::open(&args.model, open::arithmetic(&args.runtime), show, &interrupt)?;
    open::check_one_text(&opened.loaded.model, &args.model.model)?;
    let loaded = &opened.loaded;
    if !args.v_types.is_empty() {
        check_own_values(&loaded.model.config)?;
    }
    let passage = passage(args, text, loaded)?;
    let n_needles = usize::from(args.needles);
    let needles = Needles::hide(passage.deepest(), n_needles, &loaded.tokenizer);
    let options = options(args, loaded, &passage, &needles)?;
    let name = Path::new(&args.model.model).file_name().unwrap_or_default().to_string_lossy();
    let report = lines::Report {
        model: &name,
        passage: &passage,
        needles: &needles,
        arithmetic: open::arithmetic(&args.runtime),
        n_threads: options.n_threads,
        kernels: options.kernels.name,
        n_name: settings.iter().map(|setting| setting.to_string().len()).max().unwrap_or(0),
    };
    if !args.output.json {
        output::line(report.head())?;
    }
    let work = Work { loaded, options: &options, settings: &settings, show, interrupt: &interrupt };
    let mut done = Vec::new();
    let result = work.measure_all(&passage, &needles, &mut |measured| {
        let written = match args.output.json {
            true => output::json(&report.json(&measured)),
            false => output::text(&report.rows(&measured)),
        };
        done.push(measured);
        written
    });
    // What was measured is worth a picture, however the rest ended.
    if let Some(file) = plot_file.filter(|_| !done.is_empty()) {
        plot_arg::write(&file, &chart::scatter(&name, &done).draw())?;
        output::note(format_args!("plot written to {}", file.path().display()));
    }
    match result {
        Err(err) if matches!(err.downcast_ref(), Some(engine::Error::Stopped)) => {
            output::note(format_args!("stopped after {} of {}", done.len(), settings.len()));
            Ok(ExitCode::from(EXIT_INTERRUPTED))
        }
        result => result.map(|()| ExitCode::SUCCESS),
    }
}

/// The text and the depths at which it is measured.
fn passage(args: &CompareArgs, text: Option<String>, loaded: &Loaded) -> Result<Passage> {
    /// More than tokens of any vocabulary hold of plain English on average, so that a text made
    /// up is long enough.
    const BYTES_PER_TOKEN: usize = 8;
    let depths: Vec<usize> = args.depths.iter().map(|&depth| depth as usize).collect();
    let n_decoded = args.n as usize;
    let n_wanted = Passage::n_wanted(&depths, n_decoded);
    // Before anything of that length is made: a depth that no machine holds is a slip.
    check_cache_fits(loaded, n_wanted)?;
    let text = text.unwrap_or_else(|| sample_text(n_wanted.saturating_mul(BYTES_PER_TOKEN)));
    let ids = loaded.tokenizer.encode_prompt(&text, SpecialText::AsText);
    let file = args.file.as_deref().map(|path| path.display().to_string());
    let passage = Passage::new(ids, depths, n_decoded);
    passage.with_context(|| file.unwrap_or_else(|| "the text that is made up".into()))
}

/// Of the cache that all are compared with, the largest.
fn check_cache_fits(loaded: &Loaded, n_positions: usize) -> Result<()> {
    let kv = &KvArg::of(KvSetting::REFERENCE.k_type);
    let shape = &KvSetting::REFERENCE.shape(&loaded.model.config);
    open::check_positions(&loaded.model, n_positions)?;
    open::check_cache_fits(CacheOf { kv, shape }, n_positions)
}

/// How the model runs, if this machine holds the largest cache and what is compared with.
fn options(
    args: &CompareArgs,
    loaded: &Loaded,
    passage: &Passage,
    needles: &Needles,
) -> Result<RunnerOptions> {
    let config = &loaded.model.config;
    let n_positions = passage.ids().len().max(needles.n_positions());
    check_cache_fits(loaded, n_positions)?;
    let n_rows = passage.n_decoded() * passage.depths().len();
    let row_bytes = config.n_vocab * size_of::<f32>();
    let logit_bytes = n_rows.saturating_mul(row_bytes) as u64;
    if let Some(n_bytes) = memory::granted_bytes()
        && logit_bytes > n_bytes
    {
        bail!(
            "the logits of {n_rows} tokens take {}, this machine has {}: use a smaller -n or fewer \
             --depths",
            machine::human_bytes(logit_bytes),
            machine::human_bytes(n_bytes)
        );
    }
    if n_positions > config.n_ctx {
        output::note(format_args!(
            "note: {n_positions} tokens: the model was trained for {}; beyond them it may lose the \
             thread, whatever the cache",
            config.n_ctx
        ));
    }
    Ok(RunnerOptions {
        kv_shape: KvSetting::REFERENCE.shape(config),
        kv_bytes_max: usize::MAX,
        n_threads: machine::n_threads(args.runtime.threads)?,
        size: WorkspaceSize { n_ctx: n_positions, n_tokens_max: N_TOKENS_MAX, n_logit_rows_max: 1 },
        kernels: machine::kernels()?,
    })
}

/// What every setting has in common.
struct Work<'a> {
    loaded: &'a Loaded,
    options: &'a RunnerOptions,
    settings: &'a [KvSetting],
    show: Show,
    interrupt: &'a Interrupt,
}

impl Work<'_> {
    fn measure_all(
        &self,
        passage: &Passage,
        needles: &Needles,
        done: &mut dyn FnMut(Measured) -> Result<()>,
    ) -> Result<()> {
        let Loaded { model, tokenizer, .. } = self.loaded;
        let n_settings = self.settings.len();
        let compare =
            self.watched("f32, to compare with".into(), passage.n_tokens(), |progress| {
                let (passage, needles) = (passage.clone(), needles.clone());
                let (model, tokenizer) = (Arc::clone(model), tokenizer.clone());
                KvCompare::new(model, tokenizer, passage, needles, self.options.clone(), progress)
            })?;
        for (i, &setting) in self.settings.iter().enumerate() {
            let what = format!("{setting} ({} of {n_settings})", i + 1);
            let measured = self
                .watched(what, compare.n_tokens(), |progress| compare.measure(setting, progress))?;
            done(measured)?;
        }
        Ok(())
    }

    /// Work with a bar, which Ctrl-C stops.
    fn watched<T>(
        &self,
        what: String,
        n_total: usize,
        work: impl FnOnce(&mut dyn FnMut(usize) -> ControlFlow<()>) -> Result<T, engine::Error>,
    ) -> Result<T> {
        let mut bar = Bar::tokens(self.show, what);
        let result = work(&mut |n_done| {
            bar.set(n_done as u64, n_total as u64);
            match self.interrupt.is_requested() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        bar.finish();
        Ok(result?)
    }
}
