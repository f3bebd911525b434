//! One request on its way from prompt to answer.

use model::kv::KvPolicy;
use serde::Serialize;

use crate::error::{Error, check_ids};
use crate::request::Client;
use crate::sampler::{History, Sampled, Sampler};
use crate::scheduler::SequenceView;

/// The tokens of one request and how many of them the model has seen. There are no phases: a
/// prompt, a decode step and the way back after a preemption all compute the tokens from
/// `n_computed` on.
///
/// Always `n_computed <= n_tokens` and `0 < n_prompt <= n_tokens <= n_tokens_max`.
pub struct Sequence {
    id: RequestId,
    /// `[n_tokens]`: prompt, then answer; room for all of `n_tokens_max` from the start, unless
    /// there is no end in sight.
    tokens: Vec<u32>,
    n_prompt: usize,
    n_computed: usize,
    n_tokens_max: usize,
    kv_policy: KvPolicy,
    sampler: Sampler,
}

/// A request's number, in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Texts of more tokens get room as they grow.
const N_TOKENS_RESERVED: usize = 1 << 20;

/// How far a sequence may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub n_vocab: usize,
    /// Longest text.
    pub n_ctx: usize,
    pub kv_policy: KvPolicy,
    /// Most tokens of the answer; `None` leaves it to the context.
    pub n_answer_max: Option<usize>,
}

/// Why an answer ended; serialised as `"stop"`, `"length"`, `"cancelled"`, `"timed_out"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its turn, or a stop string came.
    Stop,
    /// The answer reached its limit, or the text that of the context.
    Length,
    /// Whoever asked no longer wants it.
    Cancelled,
    /// Its deadline passed.
    TimedOut,
}

impl Sequence {
    /// A sequence of which nothing is computed yet.
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`], [`Error::PromptTooLong`], or [`Error::UnknownToken`].
    pub fn new(
        id: RequestId,
        prompt: &[u32],
        limits: Limits,
        sampler: Sampler,
    ) -> Result<Self, Error> {
        let Limits { n_vocab, n_ctx, kv_policy, n_answer_max } = limits;
        let n_prompt = prompt.len();
        if n_prompt == 0 {
            return Err(Error::EmptyPrompt);
        }
        if n_prompt > n_ctx {
            return Err(Error::PromptTooLong { n_prompt, n_ctx });
        }
        check_ids(prompt, n_vocab)?;
        // The last token is only read, never computed: it may stand one beyond the context.
        let n_answer_room = n_ctx + 1 - n_prompt;
        let n_tokens_max = n_prompt + n_answer_max.unwrap_or(n_answer_room).min(n_answer_room);
        let mut tokens = Vec::with_capacity(n_tokens_max.min(N_TOKENS_RESERVED));
        tokens.extend_from_slice(prompt);
        Ok(Self { id, tokens, n_prompt, n_computed: 0, n_tokens_max, kv_policy, sampler })
    }

    pub fn id(&self) -> RequestId {
        self.id
    }

    /// `[n_tokens]`: prompt and answer.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// `[n_answer]`: what was written so far.
    pub fn answer(&self) -> &[u32] {
        &self.tokens[self.n_prompt..]
    }

    pub fn kv_policy(&self) -> KvPolicy {
        self.kv_policy
    }

    pub fn n_prompt(&self) -> usize {
        self.n_prompt
    }

    /// Tokens whose keys and values are in the cache, from the first on.
    pub fn n_computed(&self) -> usize {
        self.n_computed
    }

    /// Most tokens that prompt and answer can come to.
    pub fn n_tokens_max(&self) -> usize {
        self.n_tokens_max
    }

    /// Whether the next token is due: all tokens are computed.
    pub fn is_caught_up(&self) -> bool {
        self.n_computed == self.tokens.len()
    }

    /// Whether the answer has reached its limit: [`FinishReason::Length`].
    pub fn is_full(&self) -> bool {
        self.tokens.len() == self.n_tokens_max
    }

    /// Most tokens that a draft may have: it leaves room for the one that is chosen after it.
    pub fn n_draft_max(&self) -> usize {
        (self.n_tokens_max - self.tokens.len()).saturating_sub(1)
    }

    /// What the scheduler wants to know; without a draft. Where a policy judges the prompt, that is
    /// computed before what follows it.
    pub fn view(&self, client: Client) -> SequenceView {
        let (id, n_computed) = (self.id, self.n_computed);
        let is_judged = self.kv_policy.eviction().is_some() && n_computed < self.n_prompt;
        let n_tokens = if is_judged { self.n_prompt } else { self.tokens.len() };
        SequenceView { id, client, turn: 0, eldest: id, n_tokens, n_computed, n_draft: 0 }
    }

    /// Notes that the next `n` tokens were computed, or found in the cache.
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.tokens.len() - self.n_computed);
        self.n_computed += n;
    }

    /// Notes that the cache was given to another: all is computed again, nothing is drawn again.
    pub fn preempt(&mut self) {
        self.n_computed = 0;
    }

    /// Chooses the next token and appends it.
    ///
    /// # Shapes
    /// - `logits`: `[n_vocab]`, of the last token
    ///
    /// # Errors
    /// As [`Sampler::sample`]; the sequence stays as it was.
    pub fn sample(&mut self, logits: &[f32]) -> Result<Sampled, Error> {
        self.sample_restricted(logits, &mut |_| {})
    }

    /// The same among the tokens that `restrict` leaves, see [`Sampler::sample_restricted`].
    ///
    /// # Errors
    /// As there.
    pub fn sample_restricted(
        &mut self,
        logits: &[f32],
        restrict: &mut dyn FnMut(&mut [f32]),
    ) -> Result<Sampled, Error> {
        assert!(self.is_caught_up());
        assert!(!self.is_full());
        let history = History { tokens: &self.tokens, n_prompt: self.n_prompt };
        let sampled = self.sampler.sample_restricted(logits, history, restrict)?;
        self.tokens.push(sampled.id);
        Ok(sampled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::SamplingParams;

    const N_VOCAB: usize = 8;

    fn sequence(
        prompt: &[u32],
        n_ctx: usize,
        n_answer_max: Option<usize>,
    ) -> Result<Sequence, Error> {
        let params = SamplingParams { temperature: 1.5, ..SamplingParams::plain() };
        let sampler = Sampler::new(params, N_VOCAB, []).unwrap();
        let kv_policy = KvPolicy::KeepAll;
        let limits = Limits { n_vocab: N_VOCAB, n_ctx, kv_policy, n_answer_max };
        Sequence::new(RequestId(0), prompt, limits, sampler)
    }

    /// Stands in for a model: logits that depend on the tokens before.
    fn logits(tokens: &[u32]) -> Vec<f32> {
        let sum: u32 = tokens.iter().sum();
        (0..N_VOCAB as u32).map(|id| ((id * 5 + sum * 3) % 7) as f32 / 2.0).collect()
    }

    #[test]
    fn limits_are_the_smaller_of_answer_and_context() {
        let check = |n_ctx, n_answer_max, expected| {
            let sequence = sequence(&[1, 2, 3], n_ctx, n_answer_max).unwrap();
            assert_eq!(sequence.n_tokens_max(), expected);
        };
        check(10, None, 11);
        check(10, Some(4), 7);
        check(10, Some(usize::MAX), 11);
        check(3, None, 4);
        check(3, Some(0), 3);
    }

    #[test]
    fn prompts_that_cannot_run_are_errors() {
        let check = |prompt: &[u32], expected| {
            assert_eq!(sequence(prompt, 3, None).err(), Some(expected));
        };
        check(&[], Error::EmptyPrompt);
        check(&[1, 2, 3, 4], Error::PromptTooLong { n_prompt: 4, n_ctx: 3 });
        check(&[1, 8], Error::UnknownToken { token_idx: 1, id: 8, n_vocab: N_VOCAB });
    }

    #[test]
    fn preempted_and_resumed_equals_never_preempted() {
        let answer = |preempt_every: usize| {
            let mut sequence = sequence(&[1, 2, 3], 40, Some(30)).unwrap();
            while !sequence.is_full() {
                let n_answer = sequence.answer().len();
                if n_answer > 0 && n_answer.is_multiple_of(preempt_every) {
                    sequence.preempt();
                }
                sequence.advance(sequence.tokens().len() - sequence.n_computed());
                let logits = logits(sequence.tokens());
                sequence.sample(&logits).unwrap();
            }
            sequence.answer().to_vec()
        };
        assert_eq!(answer(3), answer(usize::MAX));
        assert_eq!(answer(3).len(), 30);
    }

    #[test]
    fn continued_from_its_text_equals_never_interrupted() {
        let generate = |prompt: &[u32], n: usize| {
            let mut sequence = sequence(prompt, 40, Some(n)).unwrap();
            while !sequence.is_full() {
                sequence.advance(sequence.tokens().len() - sequence.n_computed());
                let logits = logits(sequence.tokens());
                sequence.sample(&logits).unwrap();
            }
            sequence.tokens().to_vec()
        };
        assert_eq!(generate(&generate(&[1, 2], 10), 10), generate(&[1, 2], 20));
    }

    #[test]
    fn finish_reasons_are_written_as_scripts_expect() {
        let check = |reason: FinishReason, expected: &str| {
            assert_eq!(serde_json::to_string(&reason).unwrap(), expected);
        };
        check(FinishReason::Stop, "\"stop\"");
        check(FinishReason::Length, "\"length\"");
        check(FinishReason::Cancelled, "\"cancelled\"");
        check(FinishReason::TimedOut, "\"timed_out\"");
    }
}
