//! The text: read up to each depth, and from there on decoded token by token.

use std::ops::ControlFlow;
use std::time::Instant;

use model::Batch;
use model::batch::LogitRows;
use model::kv::{KvPolicy, SequenceId};

use super::Progress;
use crate::error::Error;
use crate::runner::Runner;
use crate::sampler::has_nan;

/// A text, and where in it is measured.
#[derive(Clone, Debug)]
pub struct Passage {
    ids: Vec<u32>,
    /// Ascending, each once.
    depths: Vec<usize>,
    /// Tokens decoded at each depth.
    n_decoded: usize,
}

/// The text does not reach as deep as it should be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the text has {n_tokens} tokens, {n_wanted} are needed to decode {n_decoded} at depth {depth}: \
     give a longer text or a smaller depth"
)]
pub struct TextTooShort {
    pub n_tokens: usize,
    pub n_wanted: usize,
    pub depth: usize,
    pub n_decoded: usize,
}

/// Tokens a second.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// Of the last pass before the depth; `None` at depth 0.
    pub prefill: Option<f64>,
    /// One by one from the depth on: the median token.
    pub decode: f64,
}

impl Passage {
    /// # Errors
    /// A text that ends before `n_decoded` tokens and the one after them at the largest depth.
    pub fn new(
        mut ids: Vec<u32>,
        mut depths: Vec<usize>,
        n_decoded: usize,
    ) -> Result<Self, TextTooShort> {
        assert!(!depths.is_empty(), "there is a depth to measure at");
        assert!(n_decoded > 0, "there is a token to measure");
        depths.sort_unstable();
        depths.dedup();
        let depth = depths[depths.len() - 1];
        let n_wanted = Self::n_wanted(&depths, n_decoded);
        if ids.len() < n_wanted {
            return Err(TextTooShort { n_tokens: ids.len(), n_wanted, depth, n_decoded });
        }
        ids.truncate(n_wanted);
        Ok(Self { ids, depths, n_decoded })
    }

    /// Tokens that a text must have: the last one is only predicted.
    pub fn n_wanted(depths: &[usize], n_decoded: usize) -> usize {
        let depth = depths.iter().copied().max().unwrap_or(0);
        depth.saturating_add(n_decoded).saturating_add(1)
    }

    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    pub fn depths(&self) -> &[usize] {
        &self.depths
    }

    pub fn n_decoded(&self) -> usize {
        self.n_decoded
    }

    /// The part before the largest depth.
    pub fn deepest(&self) -> &[u32] {
        &self.ids[..self.depths[self.depths.len() - 1]]
    }

    /// Tokens that [`Self::decode`] computes.
    pub fn n_tokens(&self) -> usize {
        self.deepest().len() + self.n_decoded * self.depths.len()
    }

    /// Calls `row(depth_idx, logits, next_id)` for each token decoded, and returns the speed at
    /// each depth.
    ///
    /// # Errors
    /// Logits that are not numbers, a cache that is too small; [`Error::Stopped`].
    pub(super) fn decode(
        &self,
        runner: &mut dyn Runner,
        (policy, progress): (KvPolicy, Progress<'_>),
        row: &mut dyn FnMut(usize, &[f32], u32),
    ) -> Result<Vec<Speed>, Error> {
        // The text is read as a prompt, and every depth is one.
        let text = runner.kv_mut().admit_empty(policy.after_prompt(usize::MAX));
        let speeds = self.decode_in(text, runner, progress, row);
        runner.kv_mut().release(text);
        speeds
    }

    fn decode_in(
        &self,
        text: SequenceId,
        runner: &mut dyn Runner,
        progress: Progress<'_>,
        row: &mut dyn FnMut(usize, &[f32], u32),
    ) -> Result<Vec<Speed>, Error> {
        let mut speeds = Vec::new();
        for (depth_idx, &depth) in self.depths.iter().enumerate() {
            let n_before = self.n_decoded * depth_idx;
            let progress = &mut |n| progress(n_before + n);
            let prefill = read(runner, text, &self.ids[..depth], progress)?;
            let policy = runner.kv().policy(text).after_prompt(depth);
            let branch = runner.kv_mut().fork_under(text, depth, policy);
            let row = &mut |logits: &[f32], next| row(depth_idx, logits, next);
            // What of the text the branch could not take over.
            let go_on = &mut |_| ControlFlow::Continue(());
            let rest = read(runner, branch, &self.ids[..depth], go_on);
            let decode = rest.and_then(|_| self.decode_at(branch, runner, progress, row));
            runner.kv_mut().release(branch);
            speeds.push(Speed { prefill, decode: decode? });
        }
        Ok(speeds)
    }

    /// Goes on with the text of a branch, token by token; returns the speed of the median one.
    fn decode_at(
        &self,
        branch: SequenceId,
        runner: &mut dyn Runner,
        progress: Progress<'_>,
        row: &mut dyn FnMut(&[f32], u32),
    ) -> Result<f64, Error> {
        let depth = runner.kv().n_keys(branch);
        let mut times = Vec::with_capacity(self.n_decoded);
        for i in depth..depth + self.n_decoded {
            let start = Instant::now();
            step(runner, branch, self.ids[i])?;
            let logits = runner.logits(0..1);
            times.push(start.elapsed().as_secs_f64());
            if has_nan(logits) {
                return Err(Error::NanLogits { tensor: runner.find_non_finite() });
            }
            row(logits, self.ids[i + 1]);
            if progress(i + 1).is_break() {
                return Err(Error::Stopped);
            }
        }
        times.sort_by(f64::total_cmp);
        Ok(1.0 / times[times.len() / 2])
    }
}

/// Reads on in a text that begins with what the sequence holds; returns the tokens a second of the
/// last pass. `progress` gets the tokens that the sequence holds.
pub(super) fn read(
    runner: &mut dyn Runner,
    id: SequenceId,
    ids: &[u32],
    progress: Progress<'_>,
) -> Result<Option<f64>, Error> {
    let mut speed = None;
    let mut batch = Batch::default();
    for first in (runner.kv().n_keys(id)..ids.len()).step_by(runner.n_tokens_max()) {
        let end = (first + runner.n_tokens_max()).min(ids.len());
        runner.kv_mut().reserve(id, end)?;
        batch.clear();
        batch.push(id, &ids[first..end], first as u32, LogitRows::None);
        let start = Instant::now();
        runner.forward(&batch);
        // A last pass of a few tokens says little.
        if speed.is_none() || end - first == runner.n_tokens_max() {
            speed = Some((end - first) as f64 / start.elapsed().as_secs_f64());
        }
        if progress(end).is_break() {
            return Err(Error::Stopped);
        }
    }
    Ok(speed)
}

/// Appends a token; its logits are row 0.
pub(super) fn step(runner: &mut dyn Runner, sequence: SequenceId, token: u32) -> Result<(), Error> {
    let n_keys = runner.kv().n_keys(sequence);
    runner.kv_mut().reserve(sequence, n_keys + 1)?;
    let mut batch = Batch::default();
    batch.push(sequence, &[token], n_keys as u32, LogitRows::Last);
    runner.forward(&batch);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_short_is_told_what_is_missing() {
        let check = |n_tokens, n_missing: Option<usize>| {
            let passage = Passage::new(vec![0; n_tokens], vec![20, 5, 20], 4);
            let n_wanted = passage.as_ref().err().map(|err| err.n_wanted - err.n_tokens);
            assert_eq!(n_wanted, n_missing);
            if let Ok(passage) = passage {
                assert_eq!((passage.depths(), passage.n_tokens()), (&[5, 20][..], 28));
                assert_eq!(passage.ids().len(), 25);
            }
        };
        check(0, Some(25));
        check(24, Some(1));
        check(25, None);
        check(99, None);
    }
}
