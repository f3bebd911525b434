//! `lookback plan`: what a model will take, from its file's header and this machine's speed.

use std::process::ExitCode;

use anyhow::{Result, bail};
use format::Mapping;
use model::kv::{KvPolicy, KvShape, LayerShape};
use model::load::ModelFile;
use model::{KvType, LoadOptions, Model, ModelConfig, Pages, Speeds, cost};
use serde::Serialize;

use crate::args::PlanArgs;
use crate::calibration::{self, Measure};
use crate::interrupt::{EXIT_INTERRUPTED, Interrupt};
use crate::kv_arg::KvArg;
use crate::machine::human_bytes;
use crate::open::{self, N_TOKENS_MAX, Show};
use crate::prediction::{Load, Sizes};
use crate::{Usage, machine, memory, output};

#[derive(Serialize)]
struct PlanJson {
    weights_bytes: usize,
    /// Of all sequences together.
    kv_bytes: usize,
    scratch_bytes: usize,
    total_bytes: usize,
    /// `null` where the system does not say what memory is available.
    fits: Option<bool>,
    /// Of all prompts together; `null` with `--fits`, which measures nothing, unless that was done
    /// before.
    prefill_s: Option<f64>,
    /// Tokens a second of all sequences together, over the whole answer.
    decode_tps: Option<f64>,
    per_layer: Vec<LayerJson>,
    available_bytes: Option<u64>,
    ctx: usize,
    kv: String,
    kv_policy: String,
    parallel: usize,
    prompt: usize,
    generate: usize,
    threads: usize,
    /// Seconds of one token of each sequence at some depths.
    token_s: Vec<TokenJson>,
    /// Operations of the prompt and of the first token after it, a multiply and an add being two.
    prefill_flops: f64,
    token_flops: f64,
    /// Bytes of weights that each token reads.
    weights_bytes_read: usize,
    /// Tokens of one sequence whose cache is larger than the weights; `null`: none.
    cache_passes_weights: Option<usize>,
    /// Tokens of a prompt whose attention takes as many operations as its matrices; `null`: none.
    attention_passes_matrices: Option<usize>,
    largest_ctx: Vec<LargestJson>,
}

#[derive(Serialize)]
struct LayerJson {
    layer: usize,
    /// Positions that a token sees; `null`: all before it.
    window: Option<u32>,
    /// Positions that a sequence keeps.
    positions: usize,
    kv_bytes: usize,
    weights_bytes: usize,
}

#[derive(Serialize)]
struct TokenJson {
    depth: usize,
    s: f64,
}

/// The longest context of the model that fits with a type of cache.
#[derive(Serialize)]
struct LargestJson {
    kv: &'static str,
    ctx: Option<usize>,
}

/// What is planned.
struct Plan {
    model: Model,
    kv: KvArg,
    shape: KvShape,
    load: Load,
    n_prompt: usize,
    n_answer: usize,
}

pub(crate) fn plan(args: &PlanArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let show = if args.output.json { Show::Nothing } else { Show::Progress };
    let path = open::resolve_or_pull(&args.model, show, &interrupt)?;
    let file = ModelFile::open(&path, Mapping::Mmap)?;
    let arithmetic = open::arithmetic(&args.runtime);
    let options = LoadOptions { arithmetic, pages: Pages::Leave, quantize: None };
    let model = model::load(&file, options, &mut |_, _| ())?;
    open::check_continues_text(&model, &args.model)?;
    open::check_one_text(&model, &args.model)?;
    let plan = Plan::new(args, model)?;
    let key = calibration::Key::of(&plan.model, &args.runtime, &plan.kv)?;
    let measure = if args.recalibrate { Measure::Again } else { Measure::IfMissing };
    let speeds = match args.fits {
        true => calibration::kept(&key),
        false => {
            let key = (&key, &plan.kv);
            let speeds = calibration::speeds(&plan.model, key, measure, show, &interrupt)?;
            let Some(speeds) = speeds else { return Ok(ExitCode::from(EXIT_INTERRUPTED)) };
            Some(speeds)
        }
    };
    // Asked for last: the calibration has given its memory back.
    let json = plan.describe(memory::available_bytes(), speeds.as_ref());
    if args.output.json {
        output::json(&json)?;
    } else if !args.fits {
        print_human(&args.model, &plan, &json)?;
    }
    if !args.fits {
        return Ok(ExitCode::SUCCESS);
    }
    check_fits(&json)?;
    if !args.output.json {
        output::line(format_args!("fits: {}", against_available(&json)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// # Errors
/// What is needed does not fit, or nobody knows.
fn check_fits(json: &PlanJson) -> Result<()> {
    match json.fits {
        Some(true) => Ok(()),
        Some(false) => {
            let needed = against_available(json);
            bail!("does not fit: {needed}; use a shorter context or a smaller --kv")
        }
        None => bail!("this system does not say how much memory is available"),
    }
}

/// `1.2 GB for a context of 4096 tokens, 23.4 GB are available`
fn against_available(json: &PlanJson) -> String {
    let total = human_bytes(json.total_bytes as u64);
    let available = json.available_bytes.map_or("an unknown amount".into(), human_bytes);
    let times = if json.parallel > 1 { format!("{} times ", json.parallel) } else { String::new() };
    format!("{total} for a context of {times}{} tokens, {available} are available", json.ctx)
}

impl Plan {
    /// # Errors
    /// A context beyond the model's, and a text beyond the context.
    fn new(args: &PlanArgs, model: Model) -> Result<Self> {
        let n_trained = model.config.n_ctx;
        let n_ctx = args.ctx.map_or(n_trained, |n| n as usize);
        if n_ctx > n_trained {
            bail!("--ctx {n_ctx}: the model was trained for {n_trained} tokens");
        }
        let n_answer = args.generate.map_or(128.min(n_ctx / 4), |n| n as usize);
        let n_prompt = args.prompt.map_or(n_ctx.saturating_sub(n_answer), |n| n as usize);
        if n_prompt == 0 || n_prompt + n_answer > n_ctx {
            bail!(Usage(format!(
                "--prompt {n_prompt} --generate {n_answer}: together {} tokens, the context has \
                 {n_ctx}",
                n_prompt + n_answer
            )));
        }
        let kv = args.kv.clone().unwrap_or(args.runtime.default_kv());
        let shape = kv.shape(&model.config)?;
        let n_threads = machine::n_threads(args.runtime.threads)?;
        let kv_policy = args.kv_policy.unwrap_or(KvPolicy::KeepAll);
        let kv_policy = kv_policy.after_prompt(n_prompt);
        let load = Load { n_ctx, kv_policy, n_parallel: args.parallel as usize, n_threads };
        Ok(Self { model, kv, shape, load, n_prompt, n_answer })
    }

    fn describe(&self, available_bytes: Option<u64>, speeds: Option<&Speeds>) -> PlanJson {
        let (config, load) = (&self.model.config, self.load);
        let Sizes { weights_bytes, kv_bytes, scratch_bytes, total_bytes } =
            Sizes::of(&self.model, &self.shape, load);
        let prefill_flops = cost::matmul_flops(config) * self.n_prompt as u128
            + cost::attention_flops(config, 0, self.n_prompt)
            + cost::unembed_flops(config);
        let token_flops = cost::matmul_flops(config)
            + cost::attention_flops(config, self.n_prompt, 1)
            + cost::unembed_flops(config);
        PlanJson {
            weights_bytes,
            kv_bytes,
            scratch_bytes,
            total_bytes,
            fits: available_bytes.map(|n| total_bytes as u64 <= n),
            prefill_s: speeds.map(|speeds| self.prefill_s(speeds)),
            decode_tps: speeds.map(|speeds| self.decode_tps(speeds)),
            per_layer: self.layers(),
            available_bytes,
            ctx: load.n_ctx,
            kv: self.kv.to_string(),
            kv_policy: load.kv_policy.to_string(),
            parallel: load.n_parallel,
            prompt: self.n_prompt,
            generate: self.n_answer,
            threads: load.n_threads,
            token_s: speeds.map_or(Vec::new(), |speeds| self.tokens(speeds)),
            prefill_flops: prefill_flops as f64,
            token_flops: token_flops as f64,
            weights_bytes_read: cost::weight_bytes_read(&self.model).iter().map(|row| row.1).sum(),
            cache_passes_weights: cost::cache_passes_weights(
                &self.model,
                &self.shape,
                self.n_tokens_max(),
            ),
            attention_passes_matrices: cost::crossover(config),
            largest_ctx: self.largest(available_bytes),
        }
    }

    fn n_tokens_max(&self) -> usize {
        N_TOKENS_MAX.min(self.load.n_ctx)
    }

    fn prefill_s(&self, speeds: &Speeds) -> f64 {
        let run = (&self.model.config, self.load.kv_policy);
        let one = speeds.prefill_s(run, 0, self.n_prompt, self.n_tokens_max());
        one * self.load.n_parallel as f64
    }

    fn decode_tps(&self, speeds: &Speeds) -> f64 {
        let run = (&self.model.config, self.load.kv_policy);
        speeds.decode_tps(run, self.n_prompt, self.n_answer, self.load.n_parallel)
    }

    fn tokens(&self, speeds: &Speeds) -> Vec<TokenJson> {
        let last = self.load.n_ctx - 1;
        let token = |depth| {
            // The first behind a prompt of so many.
            let run = (&self.model.config, self.load.kv_policy.after_prompt(depth));
            let s = speeds.token_s(run, depth, self.load.n_parallel);
            TokenJson { depth, s }
        };
        [0, last / 2, last].map(token).into()
    }

    fn layers(&self) -> Vec<LayerJson> {
        let Load { n_ctx, kv_policy, n_parallel, .. } = self.load;
        let n_tokens_max = self.n_tokens_max();
        let layer = |(layer_idx, layer): (usize, &LayerShape)| {
            let positions = self.shape.layer_positions(layer, kv_policy, n_ctx, n_tokens_max);
            let kv_bytes = self.shape.layer_bytes(layer, kv_policy, n_ctx, n_tokens_max);
            LayerJson {
                layer: layer_idx,
                window: layer.window,
                positions,
                kv_bytes: kv_bytes.saturating_mul(n_parallel),
                weights_bytes: self.model.layers[layer_idx].n_bytes(),
            }
        };
        self.shape.layers.iter().enumerate().map(layer).collect()
    }

    fn largest(&self, available_bytes: Option<u64>) -> Vec<LargestJson> {
        let config: &ModelConfig = &self.model.config;
        let largest = |kind: KvType| {
            let shape = KvShape::of(config, kind, kind);
            let load = Load { n_ctx: config.n_ctx, ..self.load };
            let sizes = Sizes::of(&self.model, &shape, load);
            let n_bytes = available_bytes.map(|n| {
                let rest = (n as usize).saturating_sub(sizes.weights_bytes + sizes.scratch_bytes);
                rest / self.load.n_parallel
            });
            let ctx = n_bytes.map(|n| shape.positions_within(n, N_TOKENS_MAX).min(config.n_ctx));
            LargestJson { kv: kind.name(), ctx }
        };
        KvType::ALL.map(largest).into()
    }
}

fn print_human(name: &str, plan: &Plan, json: &PlanJson) -> Result<()> {
    let times = match json.parallel {
        1 => String::new(),
        n => format!("{n} sequences of "),
    };
    let policy = match plan.load.kv_policy {
        KvPolicy::KeepAll => String::new(),
        policy => format!(", {policy}"),
    };
    let PlanJson { ctx, kv, .. } = json;
    output::line(format_args!("{name}, {times}{ctx} tokens, {kv} cache{policy}\n"))?;
    print_memory(plan, json)?;
    output::line("")?;
    print_time(json)?;
    output::line("")?;
    let row = |name: &str, value: String| output::line(format_args!("{name:<10}{value}"));
    let passes = match json.cache_passes_weights {
        Some(n) => format!("passes the weights at {n} tokens{}", beyond(plan, n)),
        None => "never passes the weights".into(),
    };
    row("cache", passes)?;
    let passes = match json.attention_passes_matrices {
        Some(n) => format!("passes the matrices at {n} tokens of a prompt{}", beyond(plan, n)),
        None => "never passes the matrices".into(),
    };
    row("attention", passes)?;
    let largest = json.largest_ctx.iter().filter_map(|largest| {
        let ctx = largest.ctx?;
        Some(format!("{} {ctx}", largest.kv))
    });
    let largest: Vec<_> = largest.collect();
    if largest.is_empty() {
        return Ok(());
    }
    row("largest", format!("context that fits: {}", largest.join(", ")))
}

fn beyond(plan: &Plan, n: usize) -> &'static str {
    if n > plan.model.config.n_ctx { ", more than the model's context" } else { "" }
}

fn print_memory(plan: &Plan, json: &PlanJson) -> Result<()> {
    let row = |name: &str, n_bytes: usize, what: String| {
        let n_bytes = human_bytes(n_bytes as u64);
        output::line(format_args!("{name:<10}{n_bytes:>9}   {what}").to_string().trim_end())
    };
    row("weights", json.weights_bytes, String::new())?;
    row("cache", json.kv_bytes, cache_layers(json))?;
    row("scratch", json.scratch_bytes, format!("{} threads", plan.load.n_threads))?;
    let fits = match (json.fits, json.available_bytes) {
        (Some(true), Some(n)) => format!("fits, {} are available", human_bytes(n)),
        (Some(false), Some(n)) => format!("does not fit, {} are available", human_bytes(n)),
        _ => "this system does not say how much memory is available".into(),
    };
    row("total", json.total_bytes, fits)
}

/// `4 layers of 4096 tokens, 14 of 832`
fn cache_layers(json: &PlanJson) -> String {
    let mut kinds: Vec<(usize, usize)> = Vec::new();
    for layer in &json.per_layer {
        match kinds.iter_mut().find(|(positions, _)| *positions == layer.positions) {
            Some((_, n)) => *n += 1,
            None => kinds.push((layer.positions, 1)),
        }
    }
    kinds.sort_unstable_by(|a, b| b.cmp(a));
    let kinds = kinds.iter().enumerate().map(|(i, (positions, n))| match i {
        0 => format!("{n} layers of {positions} tokens"),
        _ => format!("{n} of {positions}"),
    });
    kinds.collect::<Vec<_>>().join(", ")
}

fn print_time(json: &PlanJson) -> Result<()> {
    let (Some(prefill_s), Some(decode_tps)) = (json.prefill_s, json.decode_tps) else {
        return Ok(());
    };
    let row = |name: &str, value: String| output::line(format_args!("{name:<10}{value}"));
    let n_prompt = (json.prompt * json.parallel) as f64;
    let tps = n_prompt / prefill_s;
    row("prompt", format!("{} tokens in {}, {tps:.0}/s", json.prompt, human_seconds(prefill_s)))?;
    let answer_s = (json.generate * json.parallel) as f64 / decode_tps;
    let answer_s = human_seconds(answer_s);
    row("answer", format!("{} tokens in {answer_s}, {decode_tps:.1}/s", json.generate))?;
    let at = |token: &TokenJson| format!("{} at {}", human_seconds(token.s), token.depth);
    row("a token", json.token_s.iter().map(at).collect::<Vec<_>>().join(", "))
}

/// `3.52 ms`, `4.1 s`, `2 min 05 s`
fn human_seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.01 => format!("{:.2} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 100.0 => format!("{s:.1} s"),
        s => {
            let whole = s.round() as u64;
            format!("{} min {:02} s", whole / 60, whole % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        assert_eq!(human_seconds(0.00352), "3.52 ms");
        assert_eq!(human_seconds(0.652), "652 ms");
        assert_eq!(human_seconds(4.06), "4.1 s");
        assert_eq!(human_seconds(125.2), "2 min 05 s");
    }
}
