//! From logits to the next token.

mod draw;
mod filters;
mod logprob;
mod params;
mod penalties;

pub use draw::uniform;
pub(crate) use logprob::LogSoftmax;
pub use logprob::{top_logits, top_logprobs};
pub use params::SamplingParams;

use crate::error::{Error, check_ids};
use filters::Candidate;

/// Chooses the tokens of one sequence.
///
/// The steps, in this order; each sees what the one before it left:
///
/// 1. penalties: repeat, then presence and frequency
/// 2. bias, then banned tokens are excluded, those that come too early, and those that a grammar
///    does not have there
/// 3. temperature; 0 ends here with the largest logit, of equal ones the lowest id
/// 4. top-k
/// 5. top-p, of the probabilities that top-k left
/// 6. min-p
/// 7. one draw
///
/// Filters come after the temperature, so they count in the distribution that is drawn from: at
/// a temperature of 1e6 all tokens are equally likely and min-p drops none.
///
/// Nothing here changes from token to token but scratch: a choice is a function of parameters,
/// logits and history, and the random number one of seed and position ([`uniform`]). A sequence
/// that was preempted, moved to another batch or continued from its text chooses as before.
pub struct Sampler {
    params: SamplingParams,
    /// Ids that are never chosen.
    banned: Vec<u32>,
    /// Ids that are not chosen before so many tokens of an answer.
    held_back: (Vec<u32>, usize),
    /// `[n_vocab]`: scratch, logits as the steps change them.
    logits: Vec<f32>,
    /// `[n_vocab]`, or empty without penalties: scratch, all zero between calls.
    counts: Vec<u32>,
    /// Scratch of the filters.
    candidates: Vec<Candidate>,
}

/// The tokens of a sequence so far.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// `[n_tokens]`: prompt, then answer.
    pub tokens: &'a [u32],
    pub n_prompt: usize,
}

/// A chosen token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampled {
    pub id: u32,
    /// Natural logarithm of the token's probability under the model's own distribution: before
    /// all steps, at temperature 1. Always finite.
    pub logprob: f32,
}

impl Sampler {
    /// A sampler for a vocabulary of `n_vocab` tokens, of which the `banned` are never chosen:
    /// rows that pad the output matrix have logits but no text. It allocates here, not later.
    ///
    /// # Errors
    /// Parameters out of range, see [`SamplingParams::validate`]; [`Error::UnknownToken`] for a
    /// banned id outside the vocabulary.
    pub fn new(
        params: SamplingParams,
        n_vocab: usize,
        banned: impl IntoIterator<Item = u32>,
    ) -> Result<Self, Error> {
        params.validate(n_vocab)?;
        let banned: Vec<u32> = banned.into_iter().collect();
        check_ids(&banned, n_vocab)?;
        let n_counts = if params.has_penalties() { n_vocab } else { 0 };
        let n_candidates = match params.temperature {
            0.0 => 0,
            _ => filters::n_candidates_max(n_vocab, n_kept(&params, n_vocab)),
        };
        Ok(Self {
            params,
            banned,
            held_back: (Vec::new(), 0),
            logits: vec![0.0; n_vocab],
            counts: vec![0; n_counts],
            candidates: Vec::with_capacity(n_candidates),
        })
    }

    /// Never chooses `ids` before `n_tokens` tokens of an answer.
    pub fn hold_back(&mut self, ids: &[u32], n_tokens: usize) {
        self.held_back = (ids.to_vec(), n_tokens);
    }

    pub fn params(&self) -> &SamplingParams {
        &self.params
    }

    /// Chooses the token that follows `history`.
    ///
    /// # Shapes
    /// - `logits`: `[n_vocab]`, after the last token of `history`
    ///
    /// # Errors
    /// [`Error::NanLogits`] when any logit is NaN; [`Error::NoCandidates`] when all that are not
    /// banned are minus infinity. Plus infinity is a logit above all finite ones.
    pub fn sample(&mut self, logits: &[f32], history: History<'_>) -> Result<Sampled, Error> {
        self.sample_restricted(logits, history, &mut |_| {})
    }

    /// The same among the tokens that `restrict` leaves: it sets the logits of the others,
    /// `[n_vocab]`, to minus infinity, after the banned ones.
    ///
    /// # Errors
    /// As [`Sampler::sample`].
    pub fn sample_restricted(
        &mut self,
        logits: &[f32],
        history: History<'_>,
        restrict: &mut dyn FnMut(&mut [f32]),
    ) -> Result<Sampled, Error> {
        assert_eq!(logits.len(), self.logits.len());
        assert!(history.n_prompt <= history.tokens.len());
        if has_nan(logits) {
            return Err(Error::NanLogits { tensor: None });
        }
        self.logits.copy_from_slice(logits);
        if self.params.has_penalties() {
            penalties::penalize(&mut self.logits, history, &self.params, &mut self.counts);
        }
        penalties::add_bias(&mut self.logits, &self.params.logit_bias);
        let (ends, n_tokens_min) = &self.held_back;
        let n_answer = history.tokens.len() - history.n_prompt;
        let ends = ends.iter().filter(|_| n_answer < *n_tokens_min);
        for &id in self.banned.iter().chain(ends) {
            self.logits[id as usize] = f32::NEG_INFINITY;
        }
        restrict(&mut self.logits);
        let max = logprob::max(&self.logits);
        if max == f32::NEG_INFINITY {
            return Err(Error::NoCandidates);
        }
        let id = match self.params.temperature {
            0.0 => argmax(&self.logits, max),
            temperature => self.filter_and_draw(max, temperature, history.tokens.len()),
        };
        let logprob = LogSoftmax::of(logits).logprob(logits[id as usize]);
        Ok(Sampled { id, logprob })
    }

    fn filter_and_draw(&mut self, max: f32, temperature: f32, token_pos: usize) -> u32 {
        let Self { params, logits, candidates, .. } = self;
        apply_temperature(logits, max, temperature);
        filters::top_k(logits, n_kept(params, logits.len()), candidates);
        filters::weigh(candidates);
        filters::top_p(candidates, params.top_p);
        filters::min_p(candidates, params.min_p);
        draw::draw(candidates, uniform(params.seed, token_pos as u64))
    }
}

/// How many candidates top-k leaves; 0 in the parameters means all.
fn n_kept(params: &SamplingParams, n_vocab: usize) -> usize {
    if params.top_k == 0 { n_vocab } else { params.top_k.min(n_vocab) }
}

/// Branch-free, so that it runs on many lanes at once.
pub(crate) fn has_nan(logits: &[f32]) -> bool {
    logits.iter().fold(false, |has_nan, logit| has_nan | logit.is_nan())
}

fn argmax(logits: &[f32], max: f32) -> u32 {
    let id = logits.iter().position(|&logit| logit == max);
    id.expect("the largest logit is among the logits") as u32
}

/// `(logit - max) / temperature`: the same softmax as without `max`, but nothing overflows.
fn apply_temperature(logits: &mut [f32], max: f32, temperature: f32) {
    for logit in logits {
        *logit = logprob::minus_max(*logit, max) / temperature;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_allocated_after_construction() {
        let check = |change: fn(&mut SamplingParams)| {
            let mut params = SamplingParams { repeat_penalty: 1.1, ..Default::default() };
            change(&mut params);
            let mut sampler = Sampler::new(params, 1000, [7]).unwrap();
            let n_candidates = sampler.candidates.capacity();
            let mut logits: Vec<f32> = (0..1000).map(|id| (id * 37 % 101) as f32 / 10.0).collect();
            // Ascending logits are the worst case of top-k: every one of them is a candidate.
            logits.sort_by(f32::total_cmp);
            for n_prompt in 1..50 {
                let tokens = vec![3; n_prompt];
                sampler.sample(&logits, History { tokens: &tokens, n_prompt }).unwrap();
            }
            assert_eq!(sampler.candidates.capacity(), n_candidates);
            assert_eq!(sampler.counts, vec![0; 1000]);
        };
        check(|_| ());
        check(|params| params.temperature = 0.0);
        check(|params| params.top_k = 0);
        check(|params| params.top_k = 700);
    }
}
