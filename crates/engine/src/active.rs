//! One request on its way: its tokens, its places in the cache, what became of it.

use std::time::Instant;

use model::kv::{CacheFull, Hidden, KvPolicy, KvShape, Reuse};
use model::{KvCache, SequenceId};
use tokenizer::Detokenizer;

use crate::error::{Error, check_ids};
use crate::grammar::Masks;
use crate::guide::{Goes, Guide};
use crate::request::{Client, Event, LogprobsWanted, PromptToken, Usage};
use crate::runner::{EncoderLimits, Runner};
use crate::sampler::{LogSoftmax, has_nan, top_logprobs};
use crate::scheduler::SequenceView;
use crate::sequence::{FinishReason, RequestId, Sequence};
use crate::speculation::Drafter;
use crate::stop::StopMatcher;
use crate::watch::Watch;

/// One request on its way.
pub(crate) struct Active {
    pub(crate) sequence: Sequence,
    /// What an encoder reads, where the sequence is a decoder's.
    pub(crate) source: Option<Source>,
    pub(crate) drafter: Option<Drafter>,
    /// Its place in the cache; `None` while it waits for one, or has given it up.
    pub(crate) slot: Option<SequenceId>,
    pub(crate) detokenizer: Detokenizer,
    pub(crate) stop: StopMatcher,
    /// Tokens that end the answer and are not part of it.
    pub(crate) ends: Vec<u32>,
    pub(crate) guide: Guide,
    pub(crate) logprobs: LogprobsWanted,
    /// Tokens of the prompt that were reported, the first one included.
    pub(crate) n_scored: usize,
    /// Tokens that may come from the cache: something is asked of those behind them.
    pub(crate) n_reused_max: usize,
    pub(crate) watch: Option<Watch>,
    pub(crate) hidden: Option<Hidden>,
    pub(crate) client: Client,
    /// Its turn among those of its client.
    pub(crate) turn: usize,
    pub(crate) leader: Option<Leader>,
    pub(crate) deadline: Option<Instant>,
    /// How often it gave up its place.
    pub(crate) n_preempted: usize,
    pub(crate) reuse: Reuse,
    pub(crate) clock: Clock,
    /// Set when the answer is over; the step that sets it, or the next one, reports it.
    pub(crate) end: Option<Result<FinishReason, Error>>,
}

#[derive(Default)]
pub(crate) struct Clock {
    pub(crate) start: Option<Instant>,
    pub(crate) first_token: Option<Instant>,
    pub(crate) last_token: Option<Instant>,
}

/// An older request whose prompt begins like that of another one, which waits for it instead of
/// computing the same.
#[derive(Clone, Copy)]
pub(crate) struct Leader {
    pub(crate) id: RequestId,
    /// Tokens that both have.
    pub(crate) n_shared: usize,
}

/// Fewest tokens that are worth a wait of at least one step.
const N_SHARED_MIN: usize = 64;

/// A prompt that an encoder reads as a whole; the answer is another text, which looks at it.
pub(crate) struct Source {
    pub(crate) ids: Vec<u32>,
    /// Its place in the cache, beside that of the answer.
    pub(crate) slot: Option<SequenceId>,
}

impl Source {
    /// And what the answer begins with.
    ///
    /// # Errors
    /// A prompt that is empty, longer than the encoder reads, or has unknown ids.
    pub(crate) fn of(
        prompt: Vec<u32>,
        encoder: EncoderLimits,
        runner: &dyn Runner,
    ) -> Result<(Option<Self>, Vec<u32>), Error> {
        let (n_prompt, n_ctx) = (prompt.len(), encoder.n_tokens_max);
        if n_prompt == 0 {
            return Err(Error::EmptyPrompt);
        }
        if n_prompt > n_ctx {
            return Err(Error::PromptTooLong { n_prompt, n_ctx });
        }
        check_ids(&prompt, runner.n_vocab())?;
        Ok((Some(Self { ids: prompt, slot: None }), vec![encoder.start_id]))
    }

    pub(crate) fn n_bytes(&self, shape: &KvShape) -> usize {
        shape.bytes(self.ids.len(), self.ids.len())
    }
}

impl Active {
    /// Tokens of what was asked, whoever reads them.
    fn n_prompt(&self) -> usize {
        self.source.as_ref().map_or(self.sequence.n_prompt(), |source| source.ids.len())
    }

    pub(crate) fn view(&self) -> SequenceView {
        self.sequence.view(self.client)
    }

    /// Itself as the leader of a new request, where they share enough.
    pub(crate) fn leads(&self, prompt: &[u32], policy: KvPolicy) -> Option<Leader> {
        let (own, n_own) = self.sequence.kv_policy().shared();
        let (theirs, n_theirs) = policy.shared();
        if self.source.is_some() || own != theirs {
            return None;
        }
        let own = &self.sequence.tokens()[..self.sequence.n_prompt()];
        let pairs = own.iter().zip(prompt).take(n_own.min(n_theirs));
        let n_shared = pairs.take_while(|(a, b)| a == b).count();
        let from = self.hidden.as_ref().map_or(usize::MAX, |hidden| hidden.from as usize);
        let n_shared = n_shared.min(from);
        (n_shared >= N_SHARED_MIN).then_some(Leader { id: self.sequence.id(), n_shared })
    }

    /// Bytes of the cache that it holds when so many of its positions are computed.
    pub(crate) fn n_bytes(&self, shape: &KvShape, n_positions: usize, n_together: usize) -> usize {
        let source = self.source.as_ref().filter(|_| n_positions > 0);
        shape.bytes_under(self.sequence.kv_policy(), n_positions, n_together)
            + source.map_or(0, |source| source.n_bytes(shape))
    }

    /// Takes a place in the cache, with what it has of the text already. What a decoder has of a
    /// text belongs to one prompt: two that begin alike have nothing in common.
    pub(crate) fn admit(&mut self, kv: &mut KvCache) -> Reuse {
        let policy = self.sequence.kv_policy();
        let (slot, reuse) = match &mut self.source {
            None => kv.admit_up_to(self.sequence.tokens(), policy, self.n_reused_max),
            Some(source) => {
                source.slot = Some(kv.admit());
                (kv.admit_empty(policy), Reuse::default())
            }
        };
        self.slot = Some(slot);
        if let Some(hidden) = &self.hidden {
            kv.hide(slot, hidden.clone());
        }
        if let Some(watch) = &self.watch {
            watch.lock().restart();
        }
        self.sequence.advance(reuse.n_reused);
        reuse
    }

    /// Makes room for so many positions, and for what an encoder reads.
    pub(crate) fn reserve(&self, kv: &mut KvCache, n_positions: usize) -> Result<(), CacheFull> {
        if let Some(Source { ids, slot }) = &self.source {
            kv.reserve(slot.expect("admitted"), ids.len())?;
        }
        kv.reserve(self.slot.expect("admitted"), n_positions)
    }

    /// Keeps what was computed for texts that begin like it.
    pub(crate) fn remember(&self, kv: &mut KvCache) {
        if self.source.is_none() {
            self.slot.into_iter().for_each(|slot| kv.remember(slot));
        }
    }

    /// Gives its places in the cache away.
    pub(crate) fn release(&mut self, kv: &mut KvCache) {
        let source = self.source.as_mut().and_then(|source| source.slot.take());
        self.slot.take().into_iter().chain(source).for_each(|slot| kv.release(slot));
    }
}

impl Active {
    /// Samples from `logits`: `[n_vocab]`. `None`: the model ended its turn.
    pub(crate) fn next_token(
        &mut self,
        logits: &[f32],
        masks: &mut Masks,
    ) -> Result<Option<Event>, Error> {
        // A draft was computed before it was chosen.
        self.sequence.advance(self.sequence.tokens().len() - self.sequence.n_computed());
        let Self { sequence, guide, ends, .. } = self;
        let (sampled, goes) = guide.choose(ends, masks, |restrict| {
            let sampled = sequence.sample_restricted(logits, restrict)?;
            Ok((sampled.id, sampled))
        })?;
        let now = Instant::now();
        self.clock.first_token.get_or_insert(now);
        self.clock.last_token = Some(now);
        if self.ends.contains(&sampled.id) {
            self.end = Some(Ok(FinishReason::Stop));
            return Ok(None);
        }
        let text = self.detokenizer.push(sampled.id);
        self.guide.read(&text, self.detokenizer.is_inside_character());
        let emit = self.stop.push(&text);
        if emit.stopped.is_some() || goes == Goes::Over {
            self.end = Some(Ok(FinishReason::Stop));
        } else if self.sequence.is_full() {
            self.end = Some(Ok(FinishReason::Length));
        }
        let (id, token_id, logprob) = (self.sequence.id(), sampled.id, sampled.logprob);
        let top = top_logprobs(logits, self.logprobs.n_top);
        Ok(Some(Event::Token { id, token_id, logprob, top, text: emit.text }))
    }

    /// Ends a request that wants no answer, once its prompt was computed.
    pub(crate) fn end_if_scored(&mut self) {
        if self.end.is_none() && self.sequence.is_full() && self.sequence.is_caught_up() {
            self.end = Some(Ok(FinishReason::Length));
        }
    }

    /// Whether there are tokens of the prompt that are to be reported.
    pub(crate) fn scores_prompt(&self) -> bool {
        self.logprobs.of_prompt.is_some() && self.n_scored < self.sequence.n_prompt()
    }

    /// The token of the prompt that the logits after token `pos` are about, if it is to be
    /// reported.
    pub(crate) fn score(
        &mut self,
        pos: usize,
        logits: &[f32],
    ) -> Result<Option<PromptToken>, Error> {
        if !self.scores_prompt() || pos + 1 != self.n_scored {
            return Ok(None);
        }
        if has_nan(logits) {
            return Err(Error::NanLogits { tensor: None });
        }
        self.n_scored += 1;
        let token_id = self.sequence.tokens()[pos + 1];
        let logprob = LogSoftmax::of(logits).logprob(logits[token_id as usize]);
        let top = top_logprobs(logits, self.logprobs.n_top);
        Ok(Some(PromptToken { token_id, logprob, top }))
    }

    /// Text that was held back and is neither half a character nor a stop string. Where one is in
    /// it, the answer ended by it.
    pub(crate) fn finish_text(&mut self, reason: FinishReason) -> (String, FinishReason) {
        let tail = self.stop.push(&self.detokenizer.finish());
        let held = self.stop.finish();
        let is_stopped = tail.stopped.or(held.stopped).is_some();
        let reason = match reason {
            FinishReason::Length if is_stopped => FinishReason::Stop,
            reason => reason,
        };
        (tail.text + &held.text, reason)
    }

    pub(crate) fn usage(&self, kv: &KvCache) -> Usage {
        let since = |from: Option<Instant>, to: Option<Instant>| {
            from.zip(to).map(|(from, to)| to - from).unwrap_or_default()
        };
        let Clock { start, first_token, last_token } = self.clock;
        let (n_drafted, n_accepted) = self.drafter.as_ref().map_or((0, 0), Drafter::counts);
        let n_source = self.source.as_ref().map_or(0, |source| source.ids.len());
        let (n_before, policy) = (self.sequence.tokens().len() - 1, self.sequence.kv_policy());
        Usage {
            n_kept: n_source + n_before - kv.shape().n_dropped(policy, n_before),
            n_blocks: policy.few().map(|(n_blocks, _)| n_blocks),
            n_prompt: self.n_prompt(),
            reuse: self.reuse,
            n_generated: self.sequence.answer().len(),
            n_drafted,
            n_accepted,
            stop_idx: self.stop.stopped(),
            n_preempted: self.n_preempted,
            prefill: since(start, first_token),
            decode: since(first_token, last_token),
            kv_bytes: kv.used_bytes(),
        }
    }
}
