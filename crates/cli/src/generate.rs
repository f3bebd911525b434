//! One answer from the engine: text to the terminal as it is made, numbers when it is done.

use anyhow::{Result, bail};
use engine::{Engine, Event, FinishReason, Request, RequestId, SamplingParams, Usage};
use model::kv::KvPolicy;
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
    /// With which its tokens were drawn.
    pub(crate) seed: u64,
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

/// The `speculation` of an answer: tokens computed ahead, and those of them that were chosen.
#[derive(Serialize)]
pub(crate) struct SpeculationJson {
    pub(crate) drafted: usize,
    pub(crate) accepted: usize,
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

    pub(crate) fn request(&self, prompt: Vec<u32>, kv_policy: KvPolicy) -> Request {
        Request {
            n_tokens_max: self.n.map(|n| n as usize),
            stop: self.stop.clone(),
            speculation: self.speculate.speculation(),
            kv_policy,
            ..Request::new(prompt, self.params())
        }
    }
}

/// Runs one request to its end. `emit` gets the text as it is made; Ctrl-C ends it early.
///
/// # Errors
/// A request that cannot be answered, and whatever `emit` says; the engine is idle again.
pub(crate) fn generate(
    engine: &mut Engine,
    request: Request,
    show: Show,
    interrupt: &Interrupt,
    emit: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<Answer> {
    let seed = request.sampling.seed;
    let id = engine.submit(request)?;
    let (mut ids, mut text) = (Vec::new(), String::new());
    let mut bar = Bar::tokens(show, "reading");
    let mut take = |event| {
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
            // Nobody asked for it.
            Event::Prompt { .. } => {}
            Event::Failed { error, .. } => {
                bar.finish();
                bail!(error);
            }
            Event::Finished { text: tail, reason, usage, .. } => {
                bar.finish();
                emit(&tail)?;
                text.push_str(&tail);
                return Ok(Some((reason, usage)));
            }
        }
        Ok(None)
    };
    let end = drive(engine, id, interrupt, &mut take);
    if end.is_err() {
        // Nothing of this answer may come with the next one.
        engine.cancel(id);
        while !engine.is_idle() {
            engine.step();
        }
    }
    let (finish_reason, usage) = end?;
    Ok(Answer { ids, text, finish_reason, usage, seed })
}

/// Gives `take` the events of one request until it makes something of one.
fn drive<T>(
    engine: &mut Engine,
    id: RequestId,
    interrupt: &Interrupt,
    take: &mut dyn FnMut(Event) -> Result<Option<T>>,
) -> Result<T> {
    loop {
        if interrupt.is_requested() {
            engine.cancel(id);
        }
        for event in engine.step().into_iter().filter(|event| event.id() == id) {
            if let Some(end) = take(event)? {
                return Ok(end);
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
            // The token that ended the turn took its time and is not shown.
            decode_tokens: answer.ids.len(),
            decode_tps: usage.decode_tps(),
        }
    }
}

impl SpeculationJson {
    pub(crate) fn of(usage: &Usage) -> Self {
        Self { drafted: usage.n_drafted, accepted: usage.n_accepted }
    }
}

/// `12 prompt tokens at 250/s, 80 tokens at 71.3/s, cache 1.2 MB, peak memory 160 MB`, without
/// the speed of what never ran; what was drafted, what cut the answer, the seed that nobody chose.
pub(crate) fn closing_line(answer: &Answer, sampling: &SamplingArgs) -> String {
    let usage = &answer.usage;
    let reused = match usage.reuse.n_reused {
        0 => String::new(),
        n => format!(" ({n} more reused)"),
    };
    let drafted = match usage.n_drafted {
        0 => String::new(),
        n => format!(" ({} of {n} drafted accepted)", usage.n_accepted),
    };
    let forgotten = match (usage.context().dropped, usage.n_blocks) {
        (_, Some(n)) => format!(", approximate: looked at {n} blocks of the text"),
        (0, None) => String::new(),
        (n, None) => format!(", {n} tokens forgotten"),
    };
    let cut = cut_by(answer, sampling).map(|cut| format!(", {cut}")).unwrap_or_default();
    let peak = machine::peak_rss_bytes()
        .map(|n| format!(", peak memory {}", machine::human_bytes(n)))
        .unwrap_or_default();
    let seed = match sampling.seed {
        None if sampling.params().temperature > 0.0 => format!(", seed {}", answer.seed),
        _ => String::new(),
    };
    format!(
        "{} prompt tokens{reused}{}, {} tokens{}{drafted}{cut}{forgotten}, cache {}{peak}{seed}",
        usage.n_prefilled(),
        speed(usage.prefill_tps(), 0),
        answer.ids.len(),
        speed(usage.decode_tps(), 1),
        machine::human_bytes(usage.kv_bytes as u64),
    )
}

/// What cut the answer, if anything did.
pub(crate) fn cut_by(answer: &Answer, sampling: &SamplingArgs) -> Option<String> {
    match (answer.finish_reason, sampling.n) {
        (FinishReason::Length, Some(n)) if answer.ids.len() == n as usize => {
            Some(format!("stopped at -n {n}"))
        }
        (FinishReason::Length, _) => Some("context full".into()),
        _ => None,
    }
}

fn speed(tps: f64, n_decimals: usize) -> String {
    if tps > 0.0 { format!(" at {tps:.n_decimals$}/s") } else { String::new() }
}

/// Random from the operating system: the keys that the standard library gives a hash map. Half of
/// their bits, so that a seed is short enough to be typed again.
fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish() >> 32
}

#[cfg(test)]
mod tests {
    use engine::{LoadSettings, load_model};
    use tiny_random::TinyRandom;

    use super::*;
    use crate::args::{CacheArgs, RuntimeArgs};
    use crate::open;

    #[test]
    fn an_answer_that_cannot_be_shown_leaves_nothing_to_the_next() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("tiny.gguf");
        TinyRandom::default().write(&path);
        let loaded = load_model(&path, LoadSettings::default(), &mut |_, _| ()).expect("a model");
        let runtime = RuntimeArgs { threads: Some(1), exact: false };
        let cache = CacheArgs::default();
        let mut engine =
            open::engine(&loaded, &runtime, &cache, open::Text::Conversation).expect("room for it");
        let request = Request {
            n_tokens_max: Some(8),
            ..Request::new(vec![1, 20, 30], SamplingParams::greedy())
        };
        let interrupt = Interrupt::install().expect("signals");
        let mut ask = |emit: &mut dyn FnMut(&str) -> Result<()>| {
            let answer = generate(&mut engine, request.clone(), Show::Nothing, &interrupt, emit);
            assert!(engine.is_idle());
            answer.map(|answer| answer.ids)
        };
        let expected = ask(&mut |_| Ok(())).expect("an answer");
        assert!(ask(&mut |_| bail!("nobody reads")).is_err());
        assert_eq!(ask(&mut |_| Ok(())).expect("an answer"), expected);
    }
}
