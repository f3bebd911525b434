//! The engine: many requests, one step at a time.

use std::path::Path;
use std::time::Instant;

use model::batch::LogitRows;
use model::kv::{CacheFull, KvFileError, Reuse};
use model::{Batch, SequenceId};
use tokenizer::{Detokenizer, Tokenizer};

use crate::error::Error;
use crate::request::{Event, Request, Usage};
use crate::runner::{Runner, longest_text};
use crate::sampler::Sampler;
use crate::scheduler::{Budget, Plan, SequenceView, schedule};
use crate::sequence::{FinishReason, Limits, RequestId, Sequence};
use crate::speculation::{Drafter, Step};
use crate::stop::StopMatcher;

/// Owns a model's cache and its requests. One thread drives it by calling [`Engine::step`].
pub struct Engine {
    runner: Box<dyn Runner>,
    tokenizer: Tokenizer,
    /// Rows of the vocabulary that are never chosen.
    banned: Vec<u32>,
    /// In the order of arrival.
    active: Vec<Active>,
    n_submitted: u64,
    batch: Batch,
    /// `[n_logit_rows]` of the batch: whose next token they decide, if those before it are right.
    due: Vec<RequestId>,
    /// Scratch of a step.
    chunk: Vec<u32>,
    views: Vec<SequenceView>,
    plan: Plan,
}

/// One request on its way.
struct Active {
    sequence: Sequence,
    drafter: Option<Drafter>,
    /// Its place in the cache; `None` while it waits for one, or has given it up.
    slot: Option<SequenceId>,
    detokenizer: Detokenizer,
    stop: StopMatcher,
    reuse: Reuse,
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
            n_submitted: 0,
            batch: Batch::default(),
            due: Vec::new(),
            chunk: Vec::new(),
            views: Vec::new(),
            plan: Plan::default(),
        }
    }

    /// Takes a request; [`Engine::step`] works on it.
    ///
    /// # Errors
    /// A prompt that is empty or too long or has unknown ids, and parameters out of range.
    pub fn submit(&mut self, request: Request) -> Result<RequestId, Error> {
        let kv_policy = request.kv_policy.after_prompt(request.prompt.len());
        let limits = Limits {
            n_vocab: self.runner.n_vocab(),
            n_ctx: longest_text(&*self.runner, kv_policy)?,
            kv_policy,
            n_answer_max: request.n_tokens_max,
        };
        let id = RequestId(self.n_submitted);
        let banned = self.banned.iter().copied();
        let sampler = Sampler::new(request.sampling, limits.n_vocab, banned)?;
        let sequence = Sequence::new(id, &request.prompt, limits, sampler)?;
        self.active.push(Active {
            end: self.end_at_once(&sequence),
            sequence,
            drafter: Drafter::new(request.speculation),
            slot: None,
            detokenizer: self.tokenizer.detokenizer_after_prompt(),
            stop: StopMatcher::new(request.stop)?,
            reuse: Reuse::default(),
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

    /// Writes the keys and values of a text that was answered, see [`model::KvCache::save`].
    ///
    /// # Errors
    /// As there.
    pub fn save_kv(&mut self, tokens: &[u32], path: &Path) -> Result<usize, KvFileError> {
        let fingerprint = self.runner.fingerprint();
        self.runner.kv_mut().save(tokens, &fingerprint, path)
    }

    /// Reads a text that was saved, for requests that begin like it; returns its tokens.
    ///
    /// # Errors
    /// As [`model::KvCache::load`].
    pub fn load_kv(&mut self, path: &Path) -> Result<Vec<u32>, KvFileError> {
        let fingerprint = self.runner.fingerprint();
        self.runner.kv_mut().load(&fingerprint, path)
    }

    pub fn runner_mut(&mut self) -> &mut dyn Runner {
        &mut *self.runner
    }

    /// Computes one batch and returns what came of it.
    pub fn step(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.remove_ended(&mut events);
        self.plan();
        self.fill_batch();
        if self.batch.n_tokens() > 0 {
            self.runner.forward(&self.batch);
            self.advance(&mut events);
            self.sample(&mut events);
            self.forget_rejected();
            self.remember_prompts();
        }
        self.remove_ended(&mut events);
        events
    }

    /// An answer that is over before it begins: nothing is to be written, or not even an otherwise
    /// empty cache would hold the text to its end.
    fn end_at_once(&self, sequence: &Sequence) -> Option<Result<FinishReason, Error>> {
        if sequence.is_full() {
            return Some(Ok(FinishReason::Length));
        }
        let (kv, n_together) = (self.runner.kv(), self.runner.n_tokens_max());
        // The last token is read but not computed.
        let n_wanted = sequence.n_tokens_max() - 1;
        let n_bytes = kv.shape().bytes_under(sequence.kv_policy(), n_wanted, n_together);
        (n_bytes > kv.n_bytes_max()).then(|| {
            let n_free = kv.shape().positions_within(kv.n_bytes_max(), n_together);
            Err(CacheFull { n_free, n_wanted }.into())
        })
    }

    /// Decides what the step computes, and makes room for it.
    fn plan(&mut self) {
        self.schedule();
        while self.admit() {
            // What was found in the cache is not computed again, and leaves tokens to others.
            self.schedule();
        }
        for preempted_idx in 0..self.plan.preempted.len() {
            self.preempt(self.plan.preempted[preempted_idx]);
        }
        self.reserve();
        self.reserve_drafts();
    }

    fn schedule(&mut self) {
        self.views.clear();
        self.views.extend(self.active.iter().map(|active| active.sequence.view()));
        self.draft();
        let (kv, n_tokens_max) = (self.runner.kv(), self.runner.n_tokens_max());
        let bytes = &|id: RequestId, n_positions: usize| {
            let active = self.active.iter().find(|active| active.sequence.id() == id);
            let policy = active.expect("views are of active requests").sequence.kv_policy();
            kv.shape().bytes_under(policy, n_positions, n_tokens_max)
        };
        let budget = Budget { n_tokens_max, n_bytes_free: kv.free_bytes(), bytes };
        schedule(&self.views, budget, &mut self.plan);
    }

    /// Gives those who run their place in the cache; whether there was anyone without.
    fn admit(&mut self) -> bool {
        let mut is_new = false;
        for chunk in &self.plan.chunks {
            let active = find(&mut self.active, chunk.id);
            if active.slot.is_some() {
                continue;
            }
            let (tokens, policy) = (active.sequence.tokens(), active.sequence.kv_policy());
            let (slot, reuse) = self.runner.kv_mut().admit_text(tokens, policy);
            active.slot = Some(slot);
            active.sequence.advance(reuse.n_reused);
            // One that comes back was begun before.
            if active.clock.start.is_none() {
                active.reuse = reuse;
            }
            is_new = true;
        }
        is_new
    }

    /// Takes a request's place in the cache away. What it computed stays while there is room.
    fn preempt(&mut self, id: RequestId) {
        let active = find(&mut self.active, id);
        active.sequence.preempt();
        if let Some(slot) = active.slot.take() {
            self.runner.kv_mut().remember(slot);
            self.runner.kv_mut().release(slot);
        }
    }

    /// Makes room for the chunks of the plan, those of the oldest first. Who shares blocks with
    /// others frees less than the plan counted on; then more of the youngest give up.
    fn reserve(&mut self) {
        let mut ids: Vec<RequestId> = self.plan.chunks.iter().map(|chunk| chunk.id).collect();
        ids.sort_unstable();
        for id in ids {
            while let Some(chunk) = self.plan.chunks.iter().find(|chunk| chunk.id == id) {
                let slot = find(&mut self.active, id).slot.expect("admitted");
                if self.runner.kv_mut().reserve(slot, chunk.tokens.end).is_ok() {
                    break;
                }
                let holders = self.active.iter().filter(|active| active.slot.is_some());
                let youngest = holders.map(|active| active.sequence.id()).max();
                let youngest = youngest.expect("the one that needs room holds a place");
                self.preempt(youngest);
                self.plan.chunks.retain(|chunk| chunk.id != youngest);
            }
        }
    }

    /// Drafts take nothing from others: they go where there is no room.
    fn reserve_drafts(&mut self) {
        for chunk in self.plan.chunks.iter_mut().filter(|chunk| chunk.n_draft > 0) {
            let slot = find(&mut self.active, chunk.id).slot.expect("admitted");
            if self.runner.kv_mut().reserve(slot, chunk.tokens.end + chunk.n_draft).is_err() {
                chunk.n_draft = 0;
            }
        }
    }

    /// Drafts for those who only wait for their last token to be computed.
    fn draft(&mut self) {
        let is_decoding = |sequence: &Sequence| {
            !sequence.answer().is_empty() && sequence.tokens().len() == sequence.n_computed() + 1
        };
        let sequences = self.active.iter().map(|active| &active.sequence);
        let mut step = Step::of(sequences.filter(|sequence| is_decoding(sequence)).count());
        for (active, view) in self.active.iter_mut().zip(&mut self.views) {
            let Some(drafter) = &mut active.drafter else { continue };
            let sequence = &active.sequence;
            if is_decoding(sequence) {
                let n_max = sequence.n_draft_max();
                view.n_draft = drafter.propose(sequence.tokens(), n_max, &mut step);
            } else {
                drafter.pause();
            }
        }
    }

    fn fill_batch(&mut self) {
        self.batch.clear();
        self.due.clear();
        for chunk in &self.plan.chunks {
            let active = find(&mut self.active, chunk.id);
            let slot = active.slot.expect("who runs was admitted");
            active.clock.start.get_or_insert_with(Instant::now);
            let tokens = &active.sequence.tokens()[chunk.tokens.clone()];
            let is_last = chunk.tokens.end == active.sequence.tokens().len();
            let logit_rows = match chunk.n_draft {
                0 if is_last => LogitRows::Last,
                0 => LogitRows::None,
                _ => LogitRows::All,
            };
            let draft = active.drafter.as_ref().map_or(&[][..], Drafter::draft);
            self.chunk.clear();
            self.chunk.extend(tokens.iter().chain(&draft[..chunk.n_draft]));
            self.batch.push(slot, &self.chunk, chunk.tokens.start as u32, logit_rows);
            self.due.resize(self.batch.logit_rows.len(), chunk.id);
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

    /// Chooses the next token of every sequence that caught up, and those after it as long as they
    /// are the drafted ones. The matrix of the logits is the largest of many models: as many rows
    /// as can be meet it together.
    fn sample(&mut self, events: &mut Vec<Event>) {
        let (n_vocab, n_rows_max) = (self.runner.n_vocab(), self.runner.n_logit_rows_max());
        let mut rows = 0..self.due.len();
        let Self { runner, tokenizer, active, batch, due, .. } = self;
        while let Some(first) = rows.find(|&row| who_waits(active, due, batch, row).is_some()) {
            let end = (first + n_rows_max).min(due.len());
            rows.start = end;
            let logits = runner.logits(first..end);
            for (logits, row) in logits.chunks_exact(n_vocab).zip(first..end) {
                let Some(active) = who_waits(active, due, batch, row) else { continue };
                match active.next_token(logits, tokenizer) {
                    Ok(event) => events.extend(event),
                    Err(error) => active.end = Some(Err(error)),
                }
            }
        }
    }

    /// Takes what was drafted and not chosen out of the cache, as if it had never been there.
    fn forget_rejected(&mut self) {
        for chunk in &self.plan.chunks {
            let active = find(&mut self.active, chunk.id);
            let Some(drafter) = &mut active.drafter else { continue };
            drafter.observe(chunk.n_draft, &active.sequence.tokens()[chunk.tokens.end..]);
            if chunk.n_draft > 0 {
                let slot = active.slot.expect("who runs was admitted");
                self.runner.kv_mut().truncate(slot, active.sequence.n_computed());
            }
        }
    }

    /// Keeps the prompts that got their first token: others may begin like them meanwhile. Logits
    /// that were not numbers would mean keys that are not.
    fn remember_prompts(&mut self) {
        for &id in &self.due {
            let active = find(&mut self.active, id);
            let has_failed = matches!(active.end, Some(Err(_)));
            if active.sequence.answer().len() == 1 && !has_failed {
                active.slot.into_iter().for_each(|slot| self.runner.kv_mut().remember(slot));
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
                    let kv = self.runner.kv_mut();
                    active.slot.into_iter().for_each(|slot| kv.remember(slot));
                    let usage = active.usage(kv.used_bytes());
                    events.push(Event::Finished { id, text, reason, usage });
                }
                Err(error) => {
                    let error = explain(error, &*self.runner);
                    events.push(Event::Failed { id, error });
                }
            }
            active.slot.into_iter().for_each(|slot| self.runner.kv_mut().release(slot));
        }
    }
}

/// The request that a plan names.
fn find(active: &mut [Active], id: RequestId) -> &mut Active {
    let found = active.iter_mut().find(|active| active.sequence.id() == id);
    found.expect("plans name active requests")
}

/// The request whose next token a row of logits decides. None where the row comes after a drafted
/// token that was not chosen, or after the end of the answer.
fn who_waits<'a>(
    active: &'a mut [Active],
    due: &[RequestId],
    batch: &Batch,
    logit_row: usize,
) -> Option<&'a mut Active> {
    let row = batch.logit_rows[logit_row];
    let (pos, token_id) = (batch.positions[row] as usize, batch.token_ids[row]);
    let active = find(active, due[logit_row]);
    let tokens = active.sequence.tokens();
    let is_last = tokens.len() == pos + 1 && tokens[pos] == token_id;
    (is_last && active.end.is_none()).then_some(active)
}

impl Active {
    /// Samples from `logits`: `[n_vocab]`. `None`: the model ended its turn.
    fn next_token(
        &mut self,
        logits: &[f32],
        tokenizer: &Tokenizer,
    ) -> Result<Option<Event>, Error> {
        // A draft was computed before it was chosen.
        self.sequence.advance(self.sequence.tokens().len() - self.sequence.n_computed());
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
        let (n_drafted, n_accepted) = self.drafter.as_ref().map_or((0, 0), Drafter::counts);
        let n_before = self.sequence.tokens().len() - 1;
        Usage {
            n_kept: n_before - self.sequence.kv_policy().n_dropped(n_before),
            n_blocks: self.sequence.kv_policy().few().map(|(n_blocks, _)| n_blocks),
            n_prompt: self.sequence.n_prompt(),
            reuse: self.reuse,
            n_generated: self.sequence.answer().len(),
            n_drafted,
            n_accepted,
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
