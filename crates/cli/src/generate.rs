//! One answer from the engine: text to the terminal as it is made, numbers when it is done.

use anyhow::{Result, bail};
use engine::{Engine, Event, FinishReason, Request, SamplingParams, Usage};
use serde::Serialize;

use crate::args::SamplingArgs;
use crate::bar::Bar;
use crate::interrupt::Interrupt;
use crate::machine;
use crate::open::Show;

/// An answer and what it cost.
pub(crate) struct Answer {
    pub(crate) ids: Vec<u32>,
    pub(crate) text: String,
    pub(crate) finish_reason: FinishReason,
    pub(crate) usage: Usage,
    pub(crate) kv_bytes: usize,
}

/// The `timings` of an answer.
#[derive(Serialize)]
pub(crate) struct Timings {
    pub(crate) load_ms: f64,
    pub(crate) prefill_tokens: usize,
    pub(crate) prefill_tps: f64,
    pub(crate) decode_tokens: usize,
    pub(crate) decode_tps: f64,
}

impl SamplingArgs {
    /// The flags over the defaults; without `--seed` every answer is another.
    pub(crate) fn params(&self) -> SamplingParams {
        let defaults = SamplingParams::default();
        SamplingParams {
            temperature: self.temperature.unwrap_or(defaults.temperature),
            top_k: self.top_k.map_or(defaults.top_k, |k| k as usize),
            top_p: self.top_p.unwrap_or(defaults.top_p),
            min_p: self.min_p.unwrap_or(defaults.min_p),
            repeat_penalty: self.repeat_penalty.unwrap_or(defaults.repeat_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(defaults.presence_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(defaults.frequency_penalty),
            logit_bias: self.logit_bias.clone(),
            seed: self.seed.unwrap_or_else(fresh_seed),
            ..defaults
        }
    }

    /// Checks what needs no model to be checked.
    ///
    /// # Errors
    /// [`crate::Usage`] names the first parameter that is out of range.
    pub(crate) fn check(&self) -> Result<(), crate::Usage> {
        self.params().validate(usize::MAX).map_err(|error| crate::Usage(error.to_string()))
    }

    pub(crate) fn request(&self, prompt: Vec<u32>) -> Request {
        Request {
            prompt,
            sampling: self.params(),
            n_tokens_max: self.n.map(|n| n as usize),
            stop: self.stop.clone(),
        }
    }
}

/// Runs one request to its end. `emit` gets the text as it is made; Ctrl-C ends it early.
pub(crate) fn generate(
    engine: &mut Engine,
    request: Request,
    show: Show,
    interrupt: &Interrupt,
    emit: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<Answer> {
    let id = engine.submit(request)?;
    let (mut ids, mut text) = (Vec::new(), String::new());
    let mut bar = Bar::tokens(show, "reading");
    loop {
        if interrupt.is_requested() {
            engine.cancel(id);
        }
        for event in engine.step() {
            match event {
                Event::Progress { n_computed, n_prompt, .. } => {
                    bar.set(n_computed as u64, n_prompt as u64);
                }
                Event::Token { token_id, text: delta, .. } => {
                    bar.finish();
                    ids.push(token_id);
                    emit(&delta)?;
                    text.push_str(&delta);
                }
                Event::Failed { error, .. } => {
                    bar.finish();
                    bail!(error);
                }
                Event::Finished { text: tail, reason, usage, .. } => {
                    bar.finish();
                    emit(&tail)?;
                    text.push_str(&tail);
                    let kv_bytes = usage.kv_bytes;
                    return Ok(Answer { ids, text, finish_reason: reason, usage, kv_bytes });
                }
            }
        }
    }
}

impl Timings {
    pub(crate) fn of(answer: &Answer, load_ms: f64) -> Self {
        let usage = &answer.usage;
        Self {
            load_ms,
            prefill_tokens: usage.n_prefilled(),
            prefill_tps: usage.prefill_tps(),
            decode_tokens: usage.n_generated,
            decode_tps: usage.decode_tps(),
        }
    }
}

/// `12 prompt tokens at 250/s, 80 tokens at 71.3/s, cache 1.2 MB, peak memory 160 MB`, without
/// the speed of what never ran.
pub(crate) fn closing_line(answer: &Answer) -> String {
    let usage = &answer.usage;
    let reused = match usage.n_reused {
        0 => String::new(),
        n => format!(" ({n} more reused)"),
    };
    let peak = machine::peak_rss_bytes()
        .map(|n| format!(", peak memory {}", machine::human_bytes(n)))
        .unwrap_or_default();
    format!(
        "{} prompt tokens{reused}{}, {} tokens{}, cache {}{peak}",
        usage.n_prefilled(),
        speed(usage.prefill_tps(), 0),
        usage.n_generated,
        speed(usage.decode_tps(), 1),
        machine::human_bytes(answer.kv_bytes as u64),
    )
}

fn speed(tps: f64, n_decimals: usize) -> String {
    if tps > 0.0 { format!(" at {tps:.n_decimals$}/s") } else { String::new() }
}

/// Random from the operating system: the keys that the standard library gives a hash map.
fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish()
}
