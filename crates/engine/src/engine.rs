//! The engine: many requests, one step at a time.

mod asked;
mod outlook;
mod plan;

use std::path::Path;
use std::time::Instant;

use model::Batch;
use model::batch::LogitRows;
use model::kv::{CacheFull, KvFileError, KvPolicy, Reuse};
use tokenizer::Tokenizer;

use crate::active::{Active, Clock, Source};
use crate::error::{Error, check_ids};
use crate::grammar::Masks;
use crate::guide::{Guide, Thinking};
use crate::request::{Event, LogprobsWanted, N_TOP_MAX, Request};
use crate::runner::{Runner, longest_text};
use crate::sampler::Sampler;
use crate::scheduler::{Plan, SequenceView};
use crate::sequence::{FinishReason, Limits, RequestId, Sequence};
use crate::speculation::{Drafter, Speculation};
use crate::stop::StopMatcher;
use crate::watch::Watchers;

pub use self::outlook::Outlook;

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
    /// Prompt tokens of a step in which others write.
    n_tokens_beside: usize,
    masks: Masks,
    batch: Batch,
    /// `[n_logit_rows]` of the batch: whose next token they decide, if those before it are right.
    due: Vec<RequestId>,
    /// Scratch of a step.
    chunk: Vec<u32>,
    views: Vec<SequenceView>,
    plan: Plan,
}

/// Prompt tokens of a step in which others write, unless [`Engine::set_n_tokens_beside`] says
/// otherwise. More read a prompt faster, fewer keep the others' tokens closer together: a row of a
/// prompt costs an eighth to an eighteenth of a decode step (docs/performance.md), so that 64 of
/// them make it some five to nine times as long, all steps beside a prompt alike.
const N_TOKENS_BESIDE: usize = 64;

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
            n_tokens_beside: N_TOKENS_BESIDE,
            masks: Masks::default(),
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
    pub fn submit(&mut self, mut request: Request) -> Result<RequestId, Error> {
        let (source, prompt) = match self.runner.encoder() {
            None => (None, std::mem::take(&mut request.prompt)),
            Some(encoder) => {
                Source::of(std::mem::take(&mut request.prompt), encoder, &*self.runner)?
            }
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
        asked::check(&request, prompt.len(), source.is_some())?;
        let is_asked = asked::is_asked(&request);
        let n_reused_max = asked::n_reused_max(&request);
        if n_top > N_TOP_MAX {
            let (name, found) = ("top_logprobs", n_top as f32);
            return Err(Error::Parameter { name, expected: "a number from 0 to 20", found });
        }
        let mut sampler = Sampler::new(request.sampling, limits.n_vocab, banned)?;
        check_ids(&request.stop_ids, limits.n_vocab)?;
        let ends = [&self.ends[..], &request.stop_ids].concat();
        sampler.hold_back(&ends, request.n_tokens_min);
        let sequence = Sequence::new(id, &prompt, limits, sampler)?;
        check_guide(request.thinking.as_ref(), &request.shown_ids, limits.n_vocab)?;
        let speculation = match request.watch {
            Some(_) => Speculation::Off,
            None => request.speculation,
        };
        let leader = match source {
            Some(_) => None,
            None => self.leader(&prompt[..prompt.len().min(n_reused_max)], kv_policy),
        };
        self.active.push(Active {
            n_reused_max,
            watch: request.watch,
            hidden: request.hidden,
            client: request.client,
            turn: 0,
            leader,
            deadline: request.deadline,
            n_preempted: 0,
            end: self.end_at_once(&sequence, source.as_ref(), is_asked),
            guide: Guide::new(request.constraint, request.thinking, &mut self.masks),
            ends,
            logprobs: request.logprobs,
            n_scored: of_prompt.map_or(1, |first| first.max(1)),
            sequence,
            source,
            drafter: Drafter::new(speculation),
            slot: None,
            detokenizer: self.tokenizer.detokenizer_after_prompt().showing(&request.shown_ids),
            stop: StopMatcher::new(request.stop)?,
            reuse: Reuse::default(),
            clock: Clock::default(),
        });
        self.n_submitted += 1;
        Ok(id)
    }

    /// Ends a request at the next step; one that is not there any more is no error.
    pub fn cancel(&mut self, id: RequestId) {
        if let Some(idx) = idx_of(&self.active, id) {
            self.active[idx].end = Some(Ok(FinishReason::Cancelled));
        }
    }

    /// Whether every request has ended.
    pub fn is_idle(&self) -> bool {
        self.active.is_empty()
    }

    /// Requests that have no place in the cache: new ones, and those that gave theirs up.
    pub fn n_waiting(&self) -> usize {
        self.active.iter().filter(|active| active.slot.is_none()).count()
    }

    /// Requests that have a place in the cache.
    pub fn n_running(&self) -> usize {
        self.active.len() - self.n_waiting()
    }

    /// Bounds the prompt tokens of a step in which others write, see [`Budget::n_tokens_beside`].
    ///
    /// # Panics
    /// For none at all: prompts would never be read.
    ///
    /// [`Budget::n_tokens_beside`]: crate::scheduler::Budget::n_tokens_beside
    pub fn set_n_tokens_beside(&mut self, n: usize) {
        assert!(n > 0);
        self.n_tokens_beside = n;
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
        self.end_late();
        self.remove_ended(&mut events);
        self.plan();
        self.encode(&mut events);
        self.fill_batch();
        if self.batch.n_tokens() > 0 {
            self.forward();
            self.advance(&mut events);
            self.score_prompts(&mut events);
            self.sample(&mut events);
            self.forget_rejected();
            self.remember_prompts();
            self.remember_beginnings();
        }
        self.remove_ended(&mut events);
        events
    }

    /// Computes the batch, and shows its rows to those who watch.
    fn forward(&mut self) {
        let Self { runner, active, batch, plan, .. } = self;
        let watch = |sequence_idx: usize| {
            let id = plan.chunks[sequence_idx].id;
            idx_of(active, id).and_then(|idx| active[idx].watch.as_ref())
        };
        let mut watchers = Watchers::of_batch(batch, watch);
        match watchers.is_empty() {
            true => runner.forward(batch),
            false => runner.forward_watched(batch, &mut watchers),
        }
    }

    /// Ends the answers whose time is up.
    fn end_late(&mut self) {
        let now = Instant::now();
        for active in self.active.iter_mut().filter(|active| active.end.is_none()) {
            if active.deadline.is_some_and(|deadline| deadline <= now) {
                active.end = Some(Ok(FinishReason::TimedOut));
            }
        }
    }

    /// An answer that is over before it begins: nothing is to be written, or not even an otherwise
    /// empty cache would hold the text to its end.
    fn end_at_once(
        &self,
        sequence: &Sequence,
        source: Option<&Source>,
        is_asked: bool,
    ) -> Option<Result<FinishReason, Error>> {
        if sequence.is_full() && !is_asked {
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
                _ if active.scores_prompt() => {
                    LogitRows::From((active.n_scored - 1).saturating_sub(chunk.tokens.start))
                }
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
            let first_row = due.iter().position(|id| *id == chunk.id);
            let n_rows = due.iter().filter(|id| **id == chunk.id).count();
            let (first, mut tokens) = (active.n_scored, Vec::new());
            let rows = first_row.map_or(0..0, |first_row| first_row..first_row + n_rows);
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
        let Self { runner, masks, active, batch, due, .. } = self;
        while let Some(first) = rows.find(|&row| who_waits(active, due, batch, row).is_some()) {
            let end = (first + n_rows_max).min(due.len());
            rows.start = end;
            let logits = runner.logits(first..end);
            for (logits, row) in logits.chunks_exact(n_vocab).zip(first..end) {
                let Some(active) = who_waits(active, due, batch, row) else { continue };
                match active.next_token(logits, masks) {
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
                    let usage = active.usage(kv);
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

/// # Errors
/// Ids that are not in the vocabulary.
fn check_guide(
    thinking: Option<&Thinking>,
    shown_ids: &[u32],
    n_vocab: usize,
) -> Result<(), Error> {
    if let Some(thinking) = thinking {
        check_ids(&thinking.end_ids, n_vocab)?;
        check_ids(&thinking.held_back, n_vocab)?;
    }
    check_ids(shown_ids, n_vocab)
}

/// The request that a plan names.
fn find(active: &mut [Active], id: RequestId) -> &mut Active {
    let idx = idx_of(active, id).expect("plans name active requests");
    &mut active[idx]
}

fn idx_of(active: &[Active], id: RequestId) -> Option<usize> {
    active.binary_search_by_key(&id, |active| active.sequence.id()).ok()
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
