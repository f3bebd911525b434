//! The engine: many requests, one step at a time.

use std::time::Instant;

use model::batch::LogitRows;
use model::{Batch, SequenceId};
use tokenizer::{Detokenizer, Tokenizer};

use crate::error::Error;
use crate::request::{Event, Request, Usage};
use crate::retained::Retained;
use crate::runner::Runner;
use crate::sampler::Sampler;
use crate::scheduler::{Budget, Plan, SequenceView, schedule};
use crate::sequence::{FinishReason, Limits, RequestId, Sequence};
use crate::stop::StopMatcher;

/// Owns a model's cache and its requests. One thread drives it by calling [`Engine::step`].
pub struct Engine {
    runner: Box<dyn Runner>,
    tokenizer: Tokenizer,
    /// Rows of the vocabulary that are never chosen.
    banned: Vec<u32>,
    /// In the order of arrival.
    active: Vec<Active>,
    retained: Retained,
    n_submitted: u64,
    batch: Batch,
    /// `[n_logit_rows]` of the batch: whose next token they decide.
    due: Vec<RequestId>,
    /// Scratch of a step.
    views: Vec<SequenceView>,
    plan: Plan,
}

/// One request on its way.
struct Active {
    sequence: Sequence,
    /// Its place in the cache; `None` while it waits for one.
    slot: Option<SequenceId>,
    detokenizer: Detokenizer,
    stop: StopMatcher,
    n_reused: usize,
    clock: Clock,
    /// Set when the answer is over; the step that sets it, or the next one, reports it.
    end: Option<Result<FinishReason, Error>>,
}

#[derive(Default)]
struct Clock {
    start: Option<Instant>,
    first_token: Option<Instant>,
    last_token: Option<Instant>,
}

impl Engine {
    pub fn new(runner: Box<dyn Runner>, tokenizer: Tokenizer) -> Self {
        let banned = (0..runner.n_vocab() as u32).filter(|&id| tokenizer.is_padding(id)).collect();
        Self {
            runner,
            tokenizer,
            banned,
            active: Vec::new(),
            retained: Retained::default(),
            n_submitted: 0,
            batch: Batch::default(),
            due: Vec::new(),
            views: Vec::new(),
            plan: Plan::default(),
        }
    }

    /// Takes a request; [`Engine::step`] works on it.
    ///
    /// # Errors
    /// A prompt that is empty or too long or has unknown ids, and parameters out of range.
    pub fn submit(&mut self, request: Request) -> Result<RequestId, Error> {
        let limits = Limits {
            n_vocab: self.runner.n_vocab(),
            n_ctx: self.runner.n_ctx(),
            n_answer_max: request.n_tokens_max,
        };
        let id = RequestId(self.n_submitted);
        let banned = self.banned.iter().copied();
        let sampler = Sampler::new(request.sampling, limits.n_vocab, banned)?;
        let sequence = Sequence::new(id, &request.prompt, limits, sampler)?;
        self.active.push(Active {
            end: sequence.is_full().then_some(Ok(FinishReason::Length)),
            sequence,
            slot: None,
            detokenizer: self.tokenizer.detokenizer_after_prompt(),
            stop: StopMatcher::new(request.stop)?,
            n_reused: 0,
            clock: Clock::default(),
        });
        self.n_submitted += 1;
        Ok(id)
    }

    /// Ends a request at the next step; one that is not there any more is no error.
    pub fn cancel(&mut self, id: RequestId) {
        if let Some(active) = self.active.iter_mut().find(|active| active.sequence.id() == id) {
            active.end = Some(Ok(FinishReason::Cancelled));
        }
    }

    /// Whether every request has ended.
    pub fn is_idle(&self) -> bool {
        self.active.is_empty()
    }

    pub fn runner(&self) -> &dyn Runner {
        &*self.runner
    }

    /// Computes one batch and returns what came of it.
    pub fn step(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.remove_ended(&mut events);
        self.admit();
        self.plan_batch();
        if self.batch.n_tokens() > 0 {
            self.runner.forward(&self.batch);
            self.advance(&mut events);
            self.sample(&mut events);
        }
        self.remove_ended(&mut events);
        events
    }

    /// Gives waiting requests a place in the cache, in the order of arrival.
    fn admit(&mut self) {
        for idx in 0..self.active.len() {
            if self.active[idx].slot.is_some() {
                continue;
            }
            let sequence = &self.active[idx].sequence;
            // The last token is read but not computed.
            let n_positions = sequence.n_tokens_max() - 1;
            let placed = self.retained.place(&mut *self.runner, sequence.tokens(), n_positions);
            match placed {
                Ok((slot, n_reused)) => {
                    let active = &mut self.active[idx];
                    active.slot = Some(slot);
                    active.n_reused = n_reused;
                    active.sequence.advance(n_reused);
                }
                // Those who hold the cache will end; without them it will never be larger.
                Err(_) if self.active.iter().any(|active| active.slot.is_some()) => return,
                Err(full) => self.active[idx].end = Some(Err(full.into())),
            }
        }
    }

    fn plan_batch(&mut self) {
        let admitted = self.active.iter().filter(|active| active.slot.is_some());
        self.views.clear();
        self.views.extend(admitted.map(|active| active.sequence.view()));
        // Admission reserved every block that a sequence can need.
        let budget = Budget {
            n_tokens_max: self.runner.n_tokens_max(),
            n_blocks_free: usize::MAX / kernels::KEY_BLOCK,
            block_len: kernels::KEY_BLOCK,
        };
        schedule(&self.views, budget, &mut self.plan);
        self.batch.clear();
        self.due.clear();
        for chunk in &self.plan.chunks {
            let active = find(&mut self.active, chunk.id);
            let slot = active.slot.expect("the plan names admitted requests");
            active.clock.start.get_or_insert_with(Instant::now);
            let tokens = &active.sequence.tokens()[chunk.tokens.clone()];
            let is_last = chunk.tokens.end == active.sequence.tokens().len();
            let logit_rows = if is_last { LogitRows::Last } else { LogitRows::None };
            self.batch.push(slot, tokens, chunk.tokens.start as u32, logit_rows);
            self.due.extend(is_last.then_some(chunk.id));
        }
    }

    /// Notes what the batch computed.
    fn advance(&mut self, events: &mut Vec<Event>) {
        for chunk in &self.plan.chunks {
            let sequence = &mut find(&mut self.active, chunk.id).sequence;
            sequence.advance(chunk.tokens.len());
            if sequence.answer().is_empty() {
                let (n_computed, n_prompt) = (sequence.n_computed(), sequence.n_prompt());
                events.push(Event::Progress { id: chunk.id, n_computed, n_prompt });
            }
        }
    }

    /// Chooses the next token of every sequence that caught up. The matrix of the logits is the
    /// largest of many models: as many rows as can be meet it together.
    fn sample(&mut self, events: &mut Vec<Event>) {
        let (n_vocab, n_rows_max) = (self.runner.n_vocab(), self.runner.n_logit_rows_max());
        for (group_idx, due) in self.due.chunks(n_rows_max).enumerate() {
            let first = group_idx * n_rows_max;
            let logits = self.runner.logits(first..first + due.len());
            for (logits, &id) in logits.chunks_exact(n_vocab).zip(due) {
                let active = find(&mut self.active, id);
                match active.next_token(logits, &self.tokenizer) {
                    Ok(event) => events.extend(event),
                    Err(error) => active.end = Some(Err(error)),
                }
            }
        }
    }

    /// Reports the answers that are over. What they computed stays cached for those to come, but
    /// for those that failed.
    fn remove_ended(&mut self, events: &mut Vec<Event>) {
        while let Some(idx) = self.active.iter().position(|active| active.end.is_some()) {
            let mut active = self.active.remove(idx);
            let id = active.sequence.id();
            match active.end.take().expect("it was just looked for") {
                Ok(reason) => {
                    let (text, reason) = active.finish_text(reason);
                    let usage = active.usage(self.runner.kv_bytes());
                    events.push(Event::Finished { id, text, reason, usage });
                    if let Some(slot) = active.slot {
                        let tokens = &active.sequence.tokens()[..active.sequence.n_computed()];
                        self.retained.keep(&mut *self.runner, slot, tokens);
                    }
                }
                Err(error) => {
                    let error = explain(error, &*self.runner);
                    events.push(Event::Failed { id, error });
                    active.slot.into_iter().for_each(|slot| self.runner.release(slot));
                }
            }
        }
    }
}

/// The request that a plan names.
fn find(active: &mut [Active], id: RequestId) -> &mut Active {
    let found = active.iter_mut().find(|active| active.sequence.id() == id);
    found.expect("plans name active requests")
}

impl Active {
    /// Samples from `logits`: `[n_vocab]`. `None`: the model ended its turn.
    fn next_token(
        &mut self,
        logits: &[f32],
        tokenizer: &Tokenizer,
    ) -> Result<Option<Event>, Error> {
        let sampled = self.sequence.sample(logits)?;
        let now = Instant::now();
        self.clock.first_token.get_or_insert(now);
        self.clock.last_token = Some(now);
        if tokenizer.is_end_of_generation(sampled.id) {
            self.end = Some(Ok(FinishReason::Stop));
            return Ok(None);
        }
        let emit = self.stop.push(&self.detokenizer.push(sampled.id));
        if emit.stopped.is_some() {
            self.end = Some(Ok(FinishReason::Stop));
        } else if self.sequence.is_full() {
            self.end = Some(Ok(FinishReason::Length));
        }
        let (id, token_id, logprob) = (self.sequence.id(), sampled.id, sampled.logprob);
        Ok(Some(Event::Token { id, token_id, logprob, text: emit.text }))
    }

    /// Text that was held back and is neither half a character nor a stop string. Where one is in
    /// it, the answer ended by it.
    fn finish_text(&mut self, reason: FinishReason) -> (String, FinishReason) {
        let tail = self.stop.push(&self.detokenizer.finish());
        let held = self.stop.finish();
        let is_stopped = tail.stopped.or(held.stopped).is_some();
        let reason = match reason {
            FinishReason::Length if is_stopped => FinishReason::Stop,
            reason => reason,
        };
        (tail.text + &held.text, reason)
    }

    fn usage(&self, kv_bytes: usize) -> Usage {
        let since = |from: Option<Instant>, to: Option<Instant>| {
            from.zip(to).map(|(from, to)| to - from).unwrap_or_default()
        };
        let Clock { start, first_token, last_token } = self.clock;
        Usage {
            n_prompt: self.sequence.n_prompt(),
            n_reused: self.n_reused,
            n_generated: self.sequence.answer().len(),
            prefill: since(start, first_token),
            decode: since(first_token, last_token),
            kv_bytes,
        }
    }
}

/// Names the tensor behind logits that are not numbers.
fn explain(error: Error, runner: &dyn Runner) -> Error {
    match error {
        Error::NanLogits { .. } => Error::NanLogits { tensor: runner.find_non_finite() },
        error => error,
    }
}
