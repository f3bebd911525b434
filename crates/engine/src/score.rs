//! How likely a model finds a text: log-probabilities of every token, and the last logits.

use std::ops::ControlFlow;

use model::Batch;
use model::batch::LogitRows;
use model::kv::KvPolicy;

use crate::error::Error;
use crate::runner::{Runner, longest_text};
use crate::sampler::{LogSoftmax, has_nan};

/// What [`score`] found.
#[derive(Clone, Debug)]
pub struct Score {
    /// `ln p(token | tokens before)`, one per token; the first has nothing before it.
    pub logprobs: Vec<Option<f32>>,
    /// `[n_vocab]`: logits after the last token.
    pub last_logits: Vec<f32>,
}

impl Score {
    /// Mean negative log-likelihood in nats over all tokens but the first; `None` for one token.
    pub fn mean_nll(&self) -> Option<f64> {
        let known: Vec<f64> = self.logprobs.iter().flatten().map(|&x| f64::from(x)).collect();
        (!known.is_empty()).then(|| -known.iter().sum::<f64>() / known.len() as f64)
    }
}

/// Scores `ids`, each token looking back at what the policy keeps. `progress(n_done)` may stop the
/// work.
///
/// # Errors
/// An empty text, one longer than the context, a policy that keeps too much or a part of a prompt,
/// logits that are not numbers; [`Error::Stopped`].
pub fn score(
    runner: &mut dyn Runner,
    ids: &[u32],
    policy: KvPolicy,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Score, Error> {
    if policy.eviction().is_some() {
        return Err(Error::NothingToAnswer { policy });
    }
    let (n_tokens, n_ctx) = (ids.len(), longest_text(runner, policy)?);
    if n_tokens == 0 {
        return Err(Error::EmptyPrompt);
    }
    if n_tokens > n_ctx {
        return Err(Error::PromptTooLong { n_prompt: n_tokens, n_ctx });
    }
    crate::error::check_ids(ids, runner.n_vocab())?;
    let id = runner.kv_mut().admit_empty(policy);
    let mut score =
        Score { logprobs: Vec::with_capacity(n_tokens), last_logits: vec![0.0; runner.n_vocab()] };
    score.logprobs.push(None);
    let mut batch = Batch::default();
    let mut result = Ok(());
    for first in (0..n_tokens).step_by(runner.n_tokens_max()) {
        let n = runner.n_tokens_max().min(n_tokens - first);
        if let Err(full) = runner.kv_mut().reserve(id, first + n) {
            result = Err(full.into());
            break;
        }
        batch.clear();
        batch.push(id, &ids[first..first + n], first as u32, LogitRows::All);
        runner.forward(&batch);
        result = score_rows(runner, ids, first..first + n, &mut score);
        if result.is_err() {
            break;
        }
        if progress(first + n).is_break() {
            result = Err(Error::Stopped);
            break;
        }
    }
    runner.kv_mut().release(id);
    result.map(|()| score)
}

/// Scores the tokens that follow the rows of the last batch, a few rows of logits at a time.
fn score_rows(
    runner: &mut dyn Runner,
    ids: &[u32],
    tokens: std::ops::Range<usize>,
    score: &mut Score,
) -> Result<(), Error> {
    let n_vocab = runner.n_vocab();
    for first in tokens.clone().step_by(runner.n_logit_rows_max()) {
        let end = (first + runner.n_logit_rows_max()).min(tokens.end);
        let logits = runner.logits(first - tokens.start..end - tokens.start);
        if has_nan(logits) {
            return Err(Error::NanLogits { tensor: runner.find_non_finite() });
        }
        for (row, token_idx) in logits.chunks_exact(n_vocab).zip(first..end) {
            match ids.get(token_idx + 1) {
                Some(&next) => {
                    let logprob = LogSoftmax::of(row).logprob(row[next as usize]);
                    score.logprobs.push(Some(logprob));
                }
                None => score.last_logits.copy_from_slice(row),
            }
        }
    }
    Ok(())
}
