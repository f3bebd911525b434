//! What the keys of a block have in common.
//!
//! The keys of a head are alike: much of each is a bias, or what a model adds to every token, and
//! integers of few bits that have to hold it have none left for what tells keys apart. So a block
//! keeps a mean, its integers hold `key - mean`, and `q . key = q . mean + q . (key - mean)` loses
//! nothing (SageAttention, Zhang et al. 2024, subtracts the mean of a whole text).
//!
//! The first block of a text stays as f16: its keys take most of the weight (attention sinks, Xiao
//! et al. 2024), and their mean, turned on by the rotary angles, foretells that of each block to
//! come. A mean is a guess; whatever it is, keys are what they are.

use kernels::{KEY_BLOCK, Kernels};

use super::blocks::{Block, Ints};
use super::floats::Floats;
use super::kv_type::F16_MAX;
use crate::attention::{RopeTable, rotate};
use crate::spec::RopePairing;

/// What happens to keys on their way to the cache, and must be undone to compare two of them.
#[derive(Clone, Copy)]
pub(crate) struct KeyMotion<'a> {
    pub(crate) kernels: &'a Kernels,
    pub(crate) rope: &'a RopeTable,
    pub(crate) pairing: RopePairing,
    /// Whether they are spread by a Hadamard matrix after they were rotated by their position.
    pub(crate) is_spread: bool,
    /// What a head holds before this dimension and from there on is spread apart: values are then a
    /// part of the key.
    pub(crate) first_value: usize,
}

/// Room for the means of one block.
pub(super) struct MeanScratch {
    /// `[n_kv_heads, head_dim]`
    means: Vec<f32>,
    /// `[head_dim]`
    head: Vec<f32>,
    /// `[head_dim / 2]` each, and as many as there are pairs in use
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl MeanScratch {
    pub(super) fn new(n_kv_heads: usize, head_dim: usize) -> Self {
        let floats = |n: usize| vec![0.0; n];
        let (cos, sin) = (floats(head_dim / 2), floats(head_dim / 2));
        Self { means: floats(n_kv_heads * head_dim), head: floats(head_dim), cos, sin }
    }

    /// Bytes that [`Self::new`] allocates.
    pub(super) fn n_bytes(n_kv_heads: usize, head_dim: usize) -> usize {
        ((n_kv_heads + 1) * head_dim + 2 * (head_dim / 2)) * size_of::<f32>()
    }

    /// The means to expect of the block from `pos` on, from the first block and its positions.
    pub(super) fn follow_first(
        &mut self,
        motion: KeyMotion<'_>,
        (keys, positions): (&Floats, &[u32]),
        pos: u32,
    ) {
        // The first key of all is the sink, and unlike the others.
        let counted = 1..KEY_BLOCK;
        let Self { means, head, cos, sin } = self;
        let d = head.len();
        let (cos, sin) = (&mut cos[..motion.rope.n_pairs()], &mut sin[..motion.rope.n_pairs()]);
        means.fill(0.0);
        for slot in counted.clone() {
            motion.rope.fill_at(-f64::from(positions[slot]), cos, sin);
            for (head_idx, sum) in means.chunks_exact_mut(d).enumerate() {
                keys.get(head_idx * KEY_BLOCK * d + slot, KEY_BLOCK, head);
                // Its own inverse.
                motion.spread(head);
                rotate(motion.kernels, motion.pairing, head, cos, sin);
                (motion.kernels.add)(sum, head);
            }
        }
        // The mean over a block of a vector that turns with the position.
        motion.rope.fill_mean(f64::from(pos), KEY_BLOCK, cos, sin);
        for mean in means.chunks_exact_mut(d) {
            mean.iter_mut().for_each(|mean| *mean /= counted.len() as f32);
            rotate(motion.kernels, motion.pairing, mean, cos, sin);
            motion.spread(mean);
        }
    }

    /// The means to expect `n_positions` after those of another block.
    pub(super) fn follow(&mut self, motion: KeyMotion<'_>, before: &Ints, n_positions: u32) {
        let Self { means, head, cos, sin } = self;
        let (cos, sin) = (&mut cos[..motion.rope.n_pairs()], &mut sin[..motion.rope.n_pairs()]);
        motion.rope.fill_at(f64::from(n_positions), cos, sin);
        (motion.kernels.f16_to_f32)(&before.means, means);
        for mean in means.chunks_exact_mut(head.len()) {
            motion.turn(mean, cos, sin);
        }
    }

    pub(super) fn store(&mut self, kernels: &Kernels, block: &mut Block) {
        let Block::Ints(ints) = block else { panic!("only integers have a mean") };
        self.means.iter_mut().for_each(|mean| *mean = mean.clamp(-F16_MAX, F16_MAX));
        (kernels.f32_to_f16)(&self.means, &mut ints.means);
    }
}

impl KeyMotion<'_> {
    /// Turns a head that was rotated, and spread, on by further angles.
    pub(crate) fn turn(&self, head: &mut [f32], cos: &[f32], sin: &[f32]) {
        // Its own inverse.
        self.spread(head);
        rotate(self.kernels, self.pairing, head, cos, sin);
        self.spread(head);
    }

    fn spread(&self, head: &mut [f32]) {
        if self.is_spread {
            spread(self.kernels, head, self.first_value);
        }
    }
}

/// Spreads a key by Hadamard matrices, one for the dimensions before `first_value` and one for the
/// rest; its own inverse.
pub(crate) fn spread(kernels: &Kernels, head: &mut [f32], first_value: usize) {
    let (before, value) = head.split_at_mut(first_value);
    (kernels.hadamard)(before);
    (kernels.hadamard)(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::kv_type::Format;
    use crate::rope_config::RopeConfig;

    const D: usize = 16;

    /// Keys that are one vector, turned by their position, are their means but for the speed at
    /// which they turn.
    #[test]
    fn means_follow_what_keys_have_in_common() {
        let kernels = kernels::scalar();
        let rope = RopeTable::new(&RopeConfig::new(D, 1e6), 1);
        for pairing in [RopePairing::Interleaved, RopePairing::HalfSplit] {
            for is_spread in [false, true] {
                let motion = KeyMotion { kernels, rope: &rope, pairing, is_spread, first_value: 0 };
                let common = tiny_random::uniform(D, 3);
                let key = |pos: u32| {
                    let (mut cos, mut sin) = ([0.0; D / 2], [0.0; D / 2]);
                    rope.fill_at(pos.into(), &mut cos, &mut sin);
                    let mut key = common.clone();
                    rotate(kernels, pairing, &mut key, &cos, &sin);
                    motion.spread(&mut key);
                    key
                };
                let mean = |first: u32| {
                    let mut mean = vec![0.0; D];
                    for pos in first..first + KEY_BLOCK as u32 {
                        mean.iter_mut().zip(key(pos)).for_each(|(mean, x)| *mean += x / 64.0);
                    }
                    mean
                };
                let mut first = Floats::zeros(Format::F32, KEY_BLOCK * D);
                for pos in 0..KEY_BLOCK as u32 {
                    first.set(kernels, pos as usize, KEY_BLOCK, &key(pos));
                }
                let positions: Vec<u32> = (0..KEY_BLOCK as u32).collect();
                let mut scratch = MeanScratch::new(1, D);
                let mut block = Block::zeros(Format::Int(8), [0, KEY_BLOCK * 32, KEY_BLOCK, D]);
                scratch.follow_first(motion, (&first, &positions), 64);
                scratch.store(kernels, &mut block);
                for block_idx in 1..40 {
                    let Block::Ints(ints) = &block else { panic!("integers") };
                    for (found, expected) in ints.means.iter().zip(mean(block_idx * 64)) {
                        let found = half::f16::from_bits(*found).to_f32();
                        // Rounded to f16 at each of the steps.
                        assert!((found - expected).abs() < 0.01, "{found}, not {expected}");
                    }
                    scratch.follow(motion, ints, 64);
                    scratch.store(kernels, &mut block);
                }
            }
        }
    }
}
