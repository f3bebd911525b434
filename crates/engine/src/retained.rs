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

/// How much of a finished sequence begins a prompt.
struct Match {
    slot: SequenceId,
    n_common: usize,
    n_cached: usize,
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
            runner.release(self.sequences.remove(0).slot);
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
        let admit = |runner: &mut dyn Runner| runner.admit(n_positions_max);
        let Some(best) = self.best_match(prompt) else {
            return self.make_room(runner, None, admit).map(|slot| (slot, 0));
        };
        // A short common beginning is no reason to lose the rest of another conversation, as long
        // as both have room.
        let is_most = 2 * best.n_common >= best.n_cached;
        if !is_most && let Ok(slot) = self.make_room(runner, Some(best.slot), admit) {
            return Ok((slot, 0));
        }
        self.sequences.retain(|finished| finished.slot != best.slot);
        runner.truncate(best.slot, best.n_common);
        let reserve = |runner: &mut dyn Runner| runner.reserve(best.slot, n_positions_max);
        match self.make_room(runner, None, reserve) {
            Ok(()) => Ok((best.slot, best.n_common)),
            Err(full) => {
                runner.release(best.slot);
                Err(full)
            }
        }
    }

    /// The sequence with the longest common beginning, the newest of several. One token of the
    /// prompt is left to compute, for its logits.
    fn best_match(&self, prompt: &[u32]) -> Option<Match> {
        let matches = self.sequences.iter().map(|finished| {
            let pairs = finished.tokens.iter().zip(&prompt[..prompt.len() - 1]);
            let n_common = pairs.take_while(|(a, b)| a == b).count();
            Match { slot: finished.slot, n_common, n_cached: finished.tokens.len() }
        });
        matches.max_by_key(|found| found.n_common).filter(|found| found.n_common > 0)
    }

    /// Evicts sequences, the oldest first and never `kept`, until `place` succeeds.
    fn make_room<T>(
        &mut self,
        runner: &mut dyn Runner,
        kept: Option<SequenceId>,
        place: impl Fn(&mut dyn Runner) -> Result<T, CacheFull>,
    ) -> Result<T, CacheFull> {
        loop {
            let full = match place(runner) {
                Err(full) => full,
                placed => return placed,
            };
            let oldest = self.sequences.iter().position(|finished| Some(finished.slot) != kept);
            let Some(oldest) = oldest else { return Err(full) };
            runner.release(self.sequences.remove(oldest).slot);
        }
    }
}
