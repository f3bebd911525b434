//! What a cache holds for each layer, and the bytes that follow from it.

use kernels::KEY_BLOCK;

use super::bounds;
use super::kv_type::KvType;
use super::policy::KvPolicy;
use crate::attention::AttentionPattern;
use crate::config::ModelConfig;

/// What each layer of a cache keeps, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvShape {
    pub n_kv_heads: usize,
    /// Width of a key.
    pub head_dim: usize,
    pub values: ValuePlace,
    /// `[n_layers]`
    pub layers: Vec<LayerShape>,
}

/// Where the value of a head is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValuePlace {
    /// Beside its key, and as wide.
    Own,
    /// It is what its key holds from this dimension on: latent attention, see
    /// [`crate::latent_config::LatentConfig`]. Nothing is stored twice.
    InKey { first: usize },
}

impl ValuePlace {
    /// Width of a value, beside keys of so many dimensions.
    pub fn width(self, head_dim: usize) -> usize {
        head_dim - self.first()
    }

    /// The first dimension of a key that is of its value too, where there are such.
    pub(crate) fn first(self) -> usize {
        match self {
            Self::Own => 0,
            Self::InKey { first } => first,
        }
    }

    /// Width of what is stored of a value beside its key.
    pub(crate) fn stored_width(self, head_dim: usize) -> usize {
        match self {
            Self::Own => head_dim,
            Self::InKey { .. } => 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    pub k_type: KvType,
    pub v_type: KvType,
    /// Positions that a query sees, its own included; `None`: all before it.
    pub window: Option<u32>,
}

/// Positions that a windowed layer keeps beyond its window. The next question about a text branches
/// off a little before the end of the last one, and can start there if its window is still whole.
pub(super) const WINDOW_SLACK: usize = 4 * KEY_BLOCK;

impl KvShape {
    /// Where values are a part of keys, they have the type of these.
    pub fn of(config: &ModelConfig, k_type: KvType, v_type: KvType) -> Self {
        let values = config.value_place();
        let v_type = if values == ValuePlace::Own { v_type } else { k_type };
        let layer = |layer_idx| {
            let window = config.window_of(layer_idx);
            LayerShape { k_type, v_type, window }
        };
        let layers = (0..config.n_layers).map(layer).collect();
        Self { n_kv_heads: config.n_kv_heads, head_dim: config.head_dim, values, layers }
    }

    /// Width of what is stored of a value beside its key.
    pub(super) fn stored_value_dim(&self) -> usize {
        self.values.stored_width(self.head_dim)
    }

    /// Bytes of a block of positions in one layer, other than the first of a text.
    pub fn layer_block_bytes(&self, layer: &LayerShape) -> usize {
        layer.k_type.key_block_bytes(self.n_kv_heads, self.head_dim)
            + layer.v_type.value_block_bytes(self.n_kv_heads, self.stored_value_dim())
    }

    /// Bytes of the first block of a text in one layer, whose keys are not quantised.
    pub fn layer_first_block_bytes(&self, layer: &LayerShape) -> usize {
        layer.k_type.first_key_block_bytes(self.n_kv_heads, self.head_dim)
            + layer.v_type.value_block_bytes(self.n_kv_heads, self.stored_value_dim())
    }

    /// Bytes of one position while every layer keeps it, behind the first block of a text.
    pub fn position_bytes(&self) -> usize {
        let bytes = self.layers.iter().map(|layer| self.layer_block_bytes(layer));
        bytes.sum::<usize>() / KEY_BLOCK
    }

    /// Positions of one layer that a sequence of `n_positions` occupies, in whole blocks, while up
    /// to `n_together` of them are computed in one pass.
    pub fn layer_positions(
        &self,
        layer: &LayerShape,
        policy: KvPolicy,
        n_positions: usize,
        n_together: usize,
    ) -> usize {
        let n_positions = n_positions.next_multiple_of(KEY_BLOCK);
        let (n_sinks, window) = match policy.pattern_within(layer.window) {
            AttentionPattern::SinksAndWindow { n_sinks, window } => (n_sinks, window),
            AttentionPattern::SlidingWindow { window } => (0, window),
            _ => return n_positions,
        };
        // Both ends of the range that is kept may lie anywhere in their blocks.
        let n_kept = (window as usize + WINDOW_SLACK + n_together).next_multiple_of(KEY_BLOCK);
        let n_sinks = (n_sinks as usize).next_multiple_of(KEY_BLOCK);
        n_positions.min(n_kept + KEY_BLOCK + n_sinks)
    }

    /// The most bytes of one layer that a sequence of `n_positions` occupies, as
    /// [`Self::layer_positions`].
    pub fn layer_bytes(
        &self,
        layer: &LayerShape,
        policy: KvPolicy,
        n_positions: usize,
        n_together: usize,
    ) -> usize {
        let n_blocks = self.layer_positions(layer, policy, n_positions, n_together) / KEY_BLOCK;
        if n_blocks == 0 {
            return 0;
        }
        let later = (n_blocks - 1).saturating_mul(self.layer_block_bytes(layer));
        later.saturating_add(self.layer_first_block_bytes(layer))
    }

    /// The same of all layers, for a sequence that keeps all.
    pub fn bytes(&self, n_positions: usize, n_together: usize) -> usize {
        self.bytes_under(KvPolicy::KeepAll, n_positions, n_together)
    }

    /// The same under a policy.
    pub fn bytes_under(&self, policy: KvPolicy, n_positions: usize, n_together: usize) -> usize {
        let layers = self.layers.iter();
        let bytes = layers.map(|layer| self.layer_bytes(layer, policy, n_positions, n_together));
        bytes.fold(self.bounds_bytes(policy, n_positions), usize::saturating_add)
    }

    /// The same once a prompt of so many tokens is read, and its answer is begun.
    pub fn bytes_after_prompt(
        &self,
        policy: KvPolicy,
        n_prompt: usize,
        n_together: usize,
    ) -> usize {
        let policy = policy.after_prompt(n_prompt);
        let n_dropped = policy.eviction().map_or(0, |eviction| eviction.n_dropped());
        let full = self.layers.iter().filter(|layer| layer.window.is_none());
        let block_bytes: usize = full.map(|layer| self.layer_block_bytes(layer)).sum();
        self.bytes_under(policy, n_prompt, n_together) - n_dropped / KEY_BLOCK * block_bytes
    }

    /// Of `n_keys` keys of a text, those that a query behind them does not see because of the
    /// policy: as [`KvPolicy::n_dropped`], but that nothing is evicted where all layers have
    /// windows.
    pub fn n_dropped(&self, policy: KvPolicy, n_keys: usize) -> usize {
        let is_full = |layer: &LayerShape| layer.window.is_none();
        match policy.eviction().is_none() || self.layers.iter().any(is_full) {
            true => policy.n_dropped(n_keys),
            false => 0,
        }
    }

    /// Bytes of the bounds of blocks, which a policy that chooses among them needs.
    pub(super) fn bounds_bytes(&self, policy: KvPolicy, n_positions: usize) -> usize {
        if policy.few().is_none() {
            return 0;
        }
        let n_full = self.layers.iter().filter(|layer| layer.window.is_none()).count();
        let n_bytes = bounds::n_bytes(n_positions, (self.n_kv_heads, self.head_dim));
        n_full.saturating_mul(n_bytes)
    }

    /// The most positions of one sequence that fit into `n_bytes`: whole blocks.
    pub fn positions_within(&self, n_bytes: usize, n_together: usize) -> usize {
        // Bytes grow with positions: the answer lies in `fits..too_many`, counted in blocks.
        let (mut fits, mut too_many) = (0, usize::MAX / KEY_BLOCK / 2);
        while too_many - fits > 1 {
            let middle = fits + (too_many - fits) / 2;
            if self.bytes(middle * KEY_BLOCK, n_together) <= n_bytes {
                fits = middle;
            } else {
                too_many = middle;
            }
        }
        fits * KEY_BLOCK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(windows: &[Option<u32>]) -> KvShape {
        let layer = |&window| LayerShape { k_type: KvType::F16, v_type: KvType::Q8_0, window };
        let (values, layers) = (ValuePlace::Own, windows.iter().map(layer).collect());
        KvShape { n_kv_heads: 2, head_dim: 64, values, layers }
    }

    #[test]
    fn windowed_layers_stop_growing() {
        let shape = shape(&[None, Some(512), Some(512)]);
        // Keys: 2 heads of 64 f16; values: 64 bytes and two scales.
        let layer_bytes = 2 * (128 + 68);
        assert_eq!(shape.position_bytes(), 3 * layer_bytes);
        let check = |n_positions, expected_positions| {
            let bytes = shape.bytes(n_positions, 64);
            assert_eq!(bytes, expected_positions * layer_bytes, "{n_positions}");
        };
        check(0, 0);
        check(1, 3 * 64);
        check(640, 3 * 640);
        let n_window = 512 + WINDOW_SLACK + 64 + KEY_BLOCK;
        check(4096, 4096 + 2 * n_window);
        check(1 << 20, (1 << 20) + 2 * n_window);
        // A policy: the first layer has a block of sinks and a window as well.
        let policy = KvPolicy::SinksAndWindow { n_sinks: 4, window: 512 };
        let bytes = shape.bytes_under(policy, 1 << 20, 64);
        assert_eq!(bytes, (KEY_BLOCK + 3 * n_window) * layer_bytes);
        assert_eq!(shape.bytes_under(policy, 640, 64), shape.bytes(640, 64));
    }

    #[test]
    fn what_fits_is_the_most_that_does() {
        for shape in [shape(&[None]), shape(&[None, Some(100)])] {
            for n_bytes in [0, 1, 100_000, 1 << 20, 1 << 30] {
                let n = shape.positions_within(n_bytes, 32);
                assert!(shape.bytes(n, 32) <= n_bytes, "{n_bytes}");
                assert!(shape.bytes(n + KEY_BLOCK, 32) > n_bytes, "{n_bytes}");
            }
        }
    }
}
