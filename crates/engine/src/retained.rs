//! Cached sequences of finished requests: the next turn of a conversation starts where the last
//! one ended.

use model::SequenceId;
use model::kv::CacheFull;

use crate::runner::Runner;

/// Finished sequences that still hold their place in the cache, the oldest first.
#[derive(Default)]
pub(crate) struct Retained {
    sequences: Vec<Finished>,
}

struct Finished {
    slot: SequenceId,
    /// `[n_keys]`: the tokens whose keys and values are cached.
    tokens: Vec<u32>,
}

/// More would only be searched and evicted: a conversation needs one.
const N_RETAINED_MAX: usize = 8;

impl Retained {
    /// Keeps the place of a finished sequence, `tokens` being those with keys and values in it.
    pub(crate) fn keep(&mut self, runner: &mut dyn Runner, slot: SequenceId, tokens: &[u32]) {
        if tokens.is_empty() {
            return runner.release(slot);
        }
        self.sequences.push(Finished { slot, tokens: tokens.to_vec() });
        if self.sequences.len() > N_RETAINED_MAX {
            self.evict_oldest(runner);
        }
    }

    /// A place for `prompt` and the number of its tokens that are cached there already. Older
    /// sequences make room where there is none.
    ///
    /// # Errors
    /// [`CacheFull`] when not even an otherwise empty cache, or what others leave of it, is enough.
    pub(crate) fn place(
        &mut self,
        runner: &mut dyn Runner,
        prompt: &[u32],
        n_positions_max: usize,
    ) -> Result<(SequenceId, usize), CacheFull> {
        let reused = self.take_match(prompt);
        if let Some((slot, n_reused)) = reused {
            runner.truncate(slot, n_reused);
        }
        loop {
            let result = match reused {
                Some((slot, n_reused)) => {
                    runner.reserve(slot, n_positions_max).map(|()| (slot, n_reused))
                }
                None => runner.admit(n_positions_max).map(|slot| (slot, 0)),
            };
            match result {
                Err(_) if !self.sequences.is_empty() => self.evict_oldest(runner),
                Err(full) => {
                    reused.into_iter().for_each(|(slot, _)| runner.release(slot));
                    return Err(full);
                }
                placed => return placed,
            }
        }
    }

    /// The sequence with the longest common beginning, if that is most of it: a short common
    /// beginning is no reason to lose the rest of another conversation. One token of the prompt is
    /// left to compute, for its logits.
    fn take_match(&mut self, prompt: &[u32]) -> Option<(SequenceId, usize)> {
        let n_common = |finished: &Finished| {
            let pairs = finished.tokens.iter().zip(&prompt[..prompt.len() - 1]);
            pairs.take_while(|(a, b)| a == b).count()
        };
        let matches = self.sequences.iter().enumerate().map(|(idx, finished)| {
            let n = n_common(finished);
            (if 2 * n >= finished.tokens.len() { n } else { 0 }, idx)
        });
        let (n_reused, idx) = matches.max().filter(|(n_reused, _)| *n_reused > 0)?;
        Some((self.sequences.remove(idx).slot, n_reused))
    }

    fn evict_oldest(&mut self, runner: &mut dyn Runner) {
        runner.release(self.sequences.remove(0).slot);
    }
}
