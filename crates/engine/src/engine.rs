//! The engine: many requests, one step at a time.

use std::path::Path;
use std::time::Instant;

use model::Batch;
use model::batch::LogitRows;
use model::kv::{CacheFull, KvFileError, KvPolicy, Reuse};
use tokenizer::Tokenizer;

use crate::active::{Active, Clock, Source};
use crate::error::Error;
use crate::request::{Event, LogprobsWanted, N_TOP_MAX, Request};
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
    /// Tokens that end an answer.
    ends: Vec<u32>,
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

impl Engine {
    pub fn new(runner: Box<dyn Runner>, tokenizer: Tokenizer) -> Self {
        let ids = 0..runner.n_vocab() as u32;
        let banned = ids.clone().filter(|&id| tokenizer.is_padding(id)).collect();
        let ends = ids.filter(|&id| tokenizer.is_end_of_generation(id)).collect();
        Self {
            runner,
            tokenizer,
            banned,
            ends,
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
        let (source, prompt) = match self.runner.encoder() {
            None => (None, request.prompt),
            Some(encoder) => Source::of(request.prompt, encoder, &*self.runner)?,
        };
        if source.is_some() && request.kv_policy != KvPolicy::KeepAll {
            return Err(Error::PolicyOfEncoder { policy: request.kv_policy });
        }
        let kv_policy = request.kv_policy.after_prompt(prompt.len());
        let limits = Limits {
            n_vocab: self.runner.n_vocab(),
            n_ctx: longest_text(&*self.runner, kv_policy)?,
            kv_policy,
            n_answer_max: request.n_tokens_max,
        };
        let id = RequestId(self.n_submitted);
        let banned = self.banned.iter().copied();
        let LogprobsWanted { n_top, of_prompt } = request.logprobs;
        if n_top > N_TOP_MAX {
            let (name, found) = ("top_logprobs", n_top as f32);
            return Err(Error::Parameter { name, expected: "a number from 0 to 20", found });
        }
        if of_prompt && (source.is_some() || kv_policy != KvPolicy::KeepAll) {
            return Err(Error::PromptLogprobs);
        }
        let mut sampler = Sampler::new(request.sampling, limits.n_vocab, banned)?;
        sampler.hold_back(&self.ends, request.n_tokens_min);
        let sequence = Sequence::new(id, &prompt, limits, sampler)?;
        self.active.push(Active {
            end: self.end_at_once(&sequence, source.as_ref(), of_prompt),
            logprobs: request.logprobs,
            n_scored: 1,
            sequence,
            source,
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
        self.encode(&mut events);
        self.fill_batch();
        if self.batch.n_tokens() > 0 {
            self.runner.forward(&self.batch);
            self.advance(&mut events);
            self.score_prompts(&mut events);
            self.sample(&mut events);
            self.forget_rejected();
            self.remember_prompts();
        }
        self.remove_ended(&mut events);
        events
    }

    /// An answer that is over before it begins: nothing is to be written, or not even an otherwise
    /// empty cache would hold the text to its end.
    fn end_at_once(
        &self,
        sequence: &Sequence,
        source: Option<&Source>,
        scores_prompt: bool,
    ) -> Option<Result<FinishReason, Error>> {
        if sequence.is_full() && !scores_prompt {
            return Some(Ok(FinishReason::Length));
        }
        let (kv, n_together) = (self.runner.kv(), self.runner.n_tokens_max());
        // The last token is read but not computed.
        let n_wanted = (sequence.n_tokens_max() - 1).max(sequence.n_prompt());
        let n_bytes = kv.shape().bytes_under(sequence.kv_policy(), n_wanted, n_together);
        let n_bytes = n_bytes + source.map_or(0, |source| source.n_bytes(kv.shape()));
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
            let active = active.expect("views are of active requests");
            active.n_bytes(kv.shape(), n_positions, n_tokens_max)
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
            let reuse = active.admit(self.runner.kv_mut());
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
        active.remember(self.runner.kv_mut());
        active.release(self.runner.kv_mut());
    }

    /// Makes room for the chunks of the plan, those of the oldest first. Who shares blocks with
    /// others frees less than the plan counted on; then more of the youngest give up.
    fn reserve(&mut self) {
        let mut ids: Vec<RequestId> = self.plan.chunks.iter().map(|chunk| chunk.id).collect();
        ids.sort_unstable();
        for id in ids {
            while let Some(chunk) = self.plan.chunks.iter().find(|chunk| chunk.id == id) {
                let active = find(&mut self.active, id);
                if active.reserve(self.runner.kv_mut(), chunk.tokens.end).is_ok() {
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

    /// Lets an encoder read the prompts of those who begin.
    fn encode(&mut self, events: &mut Vec<Event>) {
        for chunk in &self.plan.chunks {
            let active = find(&mut self.active, chunk.id);
            let Some(source) = &active.source else { continue };
            let slot = source.slot.expect("who runs was admitted");
            if self.runner.kv().n_keys(slot) == 0 {
                active.clock.start.get_or_insert_with(Instant::now);
                self.runner.encode(&source.ids, slot);
                let n_prompt = source.ids.len();
                events.push(Event::Progress { id: chunk.id, n_computed: n_prompt, n_prompt });
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
                _ if active.scores_prompt() => LogitRows::All,
                0 if is_last => LogitRows::Last,
                0 => LogitRows::None,
                _ => LogitRows::All,
            };
            let draft = active.drafter.as_ref().map_or(&[][..], Drafter::draft);
            self.chunk.clear();
            self.chunk.extend(tokens.iter().chain(&draft[..chunk.n_draft]));
            self.batch.push(slot, &self.chunk, chunk.tokens.start as u32, logit_rows);
            let source = active.source.as_ref().and_then(|source| source.slot);
            source.into_iter().for_each(|source| self.batch.set_source(source));
            self.due.resize(self.batch.logit_rows.len(), chunk.id);
        }
    }

    /// Notes what the batch computed.
    fn advance(&mut self, events: &mut Vec<Event>) {
        for chunk in &self.plan.chunks {
            let Active { sequence, source, .. } = find(&mut self.active, chunk.id);
            sequence.advance(chunk.tokens.len());
            if sequence.answer().is_empty() && source.is_none() {
                let (n_computed, n_prompt) = (sequence.n_computed(), sequence.n_prompt());
                events.push(Event::Progress { id: chunk.id, n_computed, n_prompt });
            }
        }
    }

    /// Reports how likely the tokens of prompts are, a few rows of logits at a time. A request that
    /// wanted nothing else is over then.
    fn score_prompts(&mut self, events: &mut Vec<Event>) {
        let (n_vocab, n_rows_max) = (self.runner.n_vocab(), self.runner.n_logit_rows_max());
        let Self { runner, active, batch, due, plan, .. } = self;
        for chunk in &plan.chunks {
            let active = find(active, chunk.id);
            if !active.scores_prompt() {
                active.end_if_scored();
                continue;
            }
            let first_row = due.iter().position(|id| *id == chunk.id).expect("it has logit rows");
            let (first, mut tokens) = (active.n_scored, Vec::new());
            let rows = first_row..first_row + chunk.tokens.len();
            for start in rows.clone().step_by(n_rows_max) {
                let end = (start + n_rows_max).min(rows.end);
                let logits = runner.logits(start..end);
                for (logits, row) in logits.chunks_exact(n_vocab).zip(start..end) {
                    let pos = batch.positions[batch.logit_rows[row]] as usize;
                    match active.score(pos, logits) {
                        Ok(token) => tokens.extend(token),
                        Err(error) => active.end = Some(Err(error)),
                    }
                }
            }
            if !tokens.is_empty() {
                events.push(Event::Prompt { id: chunk.id, first, tokens });
            }
            active.end_if_scored();
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
                active.remember(self.runner.kv_mut());
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
                    active.remember(kv);
                    let usage = active.usage(kv.used_bytes());
                    events.push(Event::Finished { id, text, reason, usage });
                }
                Err(error) => {
                    let error = explain(error, &*self.runner);
                    events.push(Event::Failed { id, error });
                }
            }
            active.release(self.runner.kv_mut());
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

/// Names the tensor behind logits that are not numbers.
fn explain(error: Error, runner: &dyn Runner) -> Error {
    match error {
        Error::NanLogits { .. } => Error::NanLogits { tensor: runner.find_non_finite() },
        error => error,
    }
}
