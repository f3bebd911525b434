//! Letting go of what of a prompt seems to matter least, once, before the answer.

use std::ops::Range;

use kernels::KEY_BLOCK;

use super::cache::KvCache;
use super::sequences::{SequenceId, SequenceKv};
use crate::batch::BatchSequence;
use crate::shape::Heads;

/// The last tokens of a prompt: their queries stand for those to come, as in SnapKV (Li et al.
/// 2024).
pub(crate) const N_OBSERVED: usize = 32;

/// The first block and those of the observed tokens, which stay whatever they matter.
const N_BLOCKS_MIN: usize = 3;

/// Which blocks of 64 keys of a prompt stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eviction {
    pub by: Importance,
    /// The first one and those of the observed tokens among them.
    pub n_blocks: usize,
    pub n_prompt: usize,
}

/// What a block of keys matters by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Importance {
    /// The weight that the last tokens of the prompt gave to it (SnapKV, Li et al. 2024).
    Observed,
    /// The weight that tokens to come are expected to give to it, times the length of its values
    /// (Expected Attention, Devoto et al. 2025).
    Expected,
}

/// What a sequence that will let go of blocks knows about them.
#[derive(Clone, Default)]
pub(super) enum Judgement {
    /// Nothing to judge, or not yet.
    #[default]
    None,
    /// Queries by layer; of layers with a window, nothing. They are a buffer for the end of a
    /// prompt, and not counted as cache.
    Observing(Vec<LayerQueries>),
    Done,
}

#[derive(Clone, Default)]
pub(super) struct LayerQueries {
    /// `[N_OBSERVED, n_heads, head_dim]`, as they met the keys
    q: Vec<f32>,
    /// `[N_OBSERVED, n_heads]`
    log_sum_exp: Vec<f32>,
}

/// The observed queries of one sequence in one layer.
pub(crate) struct ObservedQueries<'a> {
    /// `[N_OBSERVED, n_heads, head_dim]`
    pub(crate) q: Heads<'a>,
    /// `[N_OBSERVED, n_heads]`, see [`crate::probe::RowStats`]
    pub(crate) log_sum_exp: &'a [f32],
    /// Indices of their own keys.
    pub(crate) keys: Range<usize>,
}

impl Eviction {
    pub(super) fn new(by: Importance, n_keys: u32, n_prompt: u32) -> Self {
        let n_blocks = (n_keys as usize).div_ceil(KEY_BLOCK).max(N_BLOCKS_MIN);
        Self { by, n_blocks, n_prompt: n_prompt as usize }
    }

    /// Blocks of the prompt, if not all of them may stay.
    pub fn n_judged(&self) -> Option<usize> {
        Some(self.n_prompt.div_ceil(KEY_BLOCK)).filter(|&n| n > self.n_blocks)
    }

    /// Keys that go.
    pub fn n_dropped(&self) -> usize {
        self.n_judged().map_or(0, |n| (n - self.n_blocks) * KEY_BLOCK)
    }

    fn observed_keys(&self) -> Range<usize> {
        self.n_prompt - N_OBSERVED..self.n_prompt
    }

    /// Whether each block of the prompt stays: the first one, those of the observed tokens, and of
    /// the others those that matter most; of equal ones the first.
    fn choose(&self, importance: &[f32]) -> Vec<bool> {
        let last = self.observed_keys().start / KEY_BLOCK;
        let mut stays: Vec<bool> = (0..importance.len()).map(|i| i == 0 || i >= last).collect();
        let n_more = self.n_blocks - stays.iter().filter(|&&stays| stays).count();
        let mut others: Vec<usize> = (1..last).collect();
        others.sort_by(|&a, &b| importance[b].total_cmp(&importance[a]));
        others[..n_more].iter().for_each(|&block_idx| stays[block_idx] = true);
        stays
    }
}

impl Judgement {
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }
}

impl KvCache {
    /// What a sequence lets go of before it goes on: its prompt is read, and is too long.
    pub fn due_eviction(&self, id: SequenceId) -> Option<Eviction> {
        let SequenceKv { policy, positions, judgement, .. } = self.sequences.get(id);
        let eviction = policy.eviction().filter(|eviction| eviction.n_judged().is_some())?;
        let is_due = positions.len() == eviction.n_prompt && !judgement.is_done();
        is_due.then_some(eviction)
    }

    /// Keeps the queries by which a policy will judge; `first_keys`: index of the first new key of
    /// each sequence of a batch.
    ///
    /// # Shapes
    /// - `log_sum_exp`: `[n_tokens, n_heads]`
    pub(crate) fn observe(
        &mut self,
        layer_idx: usize,
        (sequences, first_keys): (&[BatchSequence], &[usize]),
        (q, log_sum_exp): (Heads<'_>, &[f32]),
    ) {
        let n_layers = self.shape.layers.len();
        if self.shape.layers[layer_idx].window.is_some() {
            return;
        }
        for (BatchSequence { id, rows, .. }, &first_key) in sequences.iter().zip(first_keys) {
            let sequence = self.sequences.get_mut(*id);
            let eviction = sequence.policy.eviction();
            let Some(eviction) = eviction.filter(|eviction| eviction.n_judged().is_some()) else {
                continue;
            };
            let observed = eviction.observed_keys();
            for (row, key_idx) in rows.clone().zip(first_key..) {
                if observed.contains(&key_idx) {
                    let layer = sequence.judgement.layer(layer_idx, n_layers);
                    let (q, n_heads) = (q.token(row), q.n_heads());
                    let log_sum_exp = &log_sum_exp[row * n_heads..][..n_heads];
                    layer.set(key_idx - observed.start, q, log_sum_exp);
                }
            }
        }
    }

    /// The queries observed in a layer that keeps all positions.
    pub(crate) fn observed(&self, layer_idx: usize, id: SequenceId) -> ObservedQueries<'_> {
        let SequenceKv { policy, judgement, .. } = self.sequences.get(id);
        let eviction = policy.eviction().expect("the policy lets go of blocks");
        let Judgement::Observing(layers) = judgement else { panic!("queries were observed") };
        let LayerQueries { q, log_sum_exp } = &layers[layer_idx];
        let n_heads = log_sum_exp.len() / N_OBSERVED;
        let head_dim = self.shape().head_dim;
        ObservedQueries {
            q: Heads::new(q, n_heads, head_dim),
            log_sum_exp,
            keys: eviction.observed_keys(),
        }
    }

    /// Lets go of the blocks of a prompt that matter least; `importance`: `[n_blocks]`.
    pub(crate) fn evict(&mut self, id: SequenceId, importance: &[f32]) {
        let eviction = self.due_eviction(id).expect("only what is due is judged");
        let stays = eviction.choose(importance);
        let sequence = self.sequences.get_mut(id);
        sequence.judgement = Judgement::Done;
        for (group_idx, table) in sequence.tables.iter_mut().enumerate() {
            if self.store.groups[group_idx].has_window() {
                continue;
            }
            let blocks = table.iter_mut().zip(&stays).filter(|(_, stays)| !**stays);
            let dropped = blocks.filter_map(|(block, _)| block.take());
            dropped.for_each(|block| self.store.give_back(group_idx, block));
        }
    }
}

impl Judgement {
    /// The queries of a layer, to be added to.
    fn layer(&mut self, layer_idx: usize, n_layers: usize) -> &mut LayerQueries {
        if let Self::None = self {
            *self = Self::Observing(vec![LayerQueries::default(); n_layers]);
        }
        let Self::Observing(layers) = self else { panic!("queries come before they are judged") };
        &mut layers[layer_idx]
    }
}

impl LayerQueries {
    fn set(&mut self, idx: usize, q: &[f32], log_sum_exp: &[f32]) {
        self.q.resize(N_OBSERVED * q.len(), 0.0);
        self.log_sum_exp.resize(N_OBSERVED * log_sum_exp.len(), 0.0);
        self.q[idx * q.len()..][..q.len()].copy_from_slice(q);
        self.log_sum_exp[idx * log_sum_exp.len()..][..log_sum_exp.len()]
            .copy_from_slice(log_sum_exp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_most_stays_and_both_ends() {
        let check = |n_keys: u32, importance: [f32; 8], expected: [u8; 8]| {
            // Observed: the end of block 6 and the beginning of block 7.
            let eviction = Eviction::new(Importance::Observed, n_keys, 7 * 64 + 20);
            assert_eq!(eviction.choose(&importance), expected.map(|stays| stays == 1));
            let n_dropped = expected.iter().filter(|&&stays| stays == 0).count() * KEY_BLOCK;
            assert_eq!(eviction.n_dropped(), n_dropped);
        };
        let importance = [0.0, 1.0, 5.0, 2.0, 2.0, 0.5, 0.0, 0.0];
        check(256, importance, [1, 0, 1, 0, 0, 0, 1, 1]);
        check(257, importance, [1, 0, 1, 1, 0, 0, 1, 1]);
        check(384, importance, [1, 0, 1, 1, 1, 0, 1, 1]);
        // Numbers that are none decide nothing else.
        check(256, [f32::NAN; 8], [1, 1, 0, 0, 0, 0, 1, 1]);
        check(0, importance, [1, 0, 0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn a_prompt_that_fits_is_not_judged() {
        let n_judged =
            |n_keys, n_prompt| Eviction::new(Importance::Expected, n_keys, n_prompt).n_judged();
        assert_eq!(n_judged(256, 256), None);
        assert_eq!(n_judged(256, 257), Some(5));
        assert_eq!(n_judged(0, 192), None);
    }
}
