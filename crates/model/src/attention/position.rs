//! Rotary position embedding (Su et al. 2021): frequencies once in f64, angles per token.

use kernels::Kernels;

use crate::config::{RopeConfig, RopeScaling};
use crate::spec::RopePairing;

/// `theta_i = base^(-2i / rope_dim)`, scaled; `[rope_dim / 2]`.
#[derive(Clone, Debug)]
pub struct RopeTable {
    frequencies: Vec<f64>,
    /// What rotated heads are multiplied by.
    magnitude: f64,
}

impl RopeTable {
    /// `factors`: divisors of the frequencies that a file may carry, `[rope_dim / 2]`.
    pub fn new(config: &RopeConfig, factors: Option<&[f32]>) -> Self {
        let rope_dim = config.rope_dim as f64;
        let frequencies = (0..config.rope_dim / 2).map(|i| {
            let frequency = config.base.powf(-2.0 * i as f64 / rope_dim);
            let factor = factors.map_or(1.0, |factors| f64::from(factors[i]));
            scale(frequency, config) / factor
        });
        let magnitude = match &config.scaling {
            RopeScaling::Yarn(yarn) => yarn.magnitude,
            RopeScaling::None | RopeScaling::Linear { .. } | RopeScaling::Llama3 { .. } => 1.0,
        };
        Self { frequencies: frequencies.collect(), magnitude }
    }

    /// Rotates nothing.
    pub fn none() -> Self {
        Self { frequencies: Vec::new(), magnitude: 1.0 }
    }

    /// Pairs of values that are rotated: `rope_dim / 2`.
    pub fn n_pairs(&self) -> usize {
        self.frequencies.len()
    }

    /// Cosines and sines of the angles of each position, times the magnitude.
    ///
    /// # Shapes
    /// - `positions`: `[n_tokens]`
    /// - `cos`, `sin`: `[n_tokens, n_pairs]`
    pub fn fill(&self, positions: &[u32], cos: &mut [f32], sin: &mut [f32]) {
        let n_pairs = self.n_pairs();
        for (token_idx, &pos) in positions.iter().enumerate() {
            let row = token_idx * n_pairs..(token_idx + 1) * n_pairs;
            let (cos, sin) = (&mut cos[row.clone()], &mut sin[row]);
            self.fill_at(pos.into(), cos, sin);
            if self.magnitude != 1.0 {
                cos.iter_mut().chain(sin).for_each(|x| *x *= self.magnitude as f32);
            }
        }
    }

    /// Of one position, or of a distance, which may be negative, without the magnitude: what turns
    /// a head on that was rotated before. `[n_pairs]` each.
    pub(crate) fn fill_at(&self, pos: f64, cos: &mut [f32], sin: &mut [f32]) {
        for ((frequency, cos), sin) in self.frequencies.iter().zip(cos).zip(sin) {
            let (s, c) = (pos * frequency).sin_cos();
            (*cos, *sin) = (c as f32, s as f32);
        }
    }

    /// Means over `n` positions from `first` on, the sum of a geometric series:
    /// `exp(i theta (first + (n - 1) / 2)) sin(n theta / 2) / (n sin(theta / 2))`.
    pub(crate) fn fill_mean(&self, first: f64, n: usize, cos: &mut [f32], sin: &mut [f32]) {
        self.fill_at(first + (n - 1) as f64 / 2.0, cos, sin);
        for ((frequency, cos), sin) in self.frequencies.iter().zip(cos).zip(sin) {
            let (all, one) = ((n as f64 * frequency / 2.0).sin(), (frequency / 2.0).sin());
            // All the same where nothing turns, or whole turns.
            let share = if one == 0.0 { 1.0 } else { (all / (n as f64 * one)) as f32 };
            *cos *= share;
            *sin *= share;
        }
    }
}

/// What a score loses for each position of distance, by head (Press et al. 2022): `2^(-8 i / n)`
/// for a power of two, and every other one of the next power's for heads beyond one.
pub fn alibi_slopes(n_heads: usize) -> Vec<f32> {
    let slope = |i: usize, n: usize| (-8.0 * i as f64 / n as f64).exp2() as f32;
    let n = (n_heads + 1).next_power_of_two() / 2;
    let further = (1..=n_heads - n).map(|i| slope(2 * i - 1, 2 * n));
    (1..=n).map(|i| slope(i, n)).chain(further).collect()
}

/// Rotates one head, `[head_dim]`, by the angles of its token, `[n_pairs]` each.
pub(crate) fn rotate(
    kernels: &Kernels,
    pairing: RopePairing,
    head: &mut [f32],
    cos: &[f32],
    sin: &[f32],
) {
    match pairing {
        RopePairing::Interleaved => (kernels.rope_interleaved)(head, cos, sin),
        RopePairing::HalfSplit => (kernels.rope_half_split)(head, cos, sin),
    }
}

fn scale(frequency: f64, config: &RopeConfig) -> f64 {
    match config.scaling {
        RopeScaling::None => frequency,
        RopeScaling::Linear { factor } => frequency / factor,
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, n_ctx_original } => {
            let n_turns = n_ctx_original * frequency / std::f64::consts::TAU;
            let blend = (n_turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
            let blend = blend.clamp(0.0, 1.0);
            frequency * (blend + (1.0 - blend) / factor)
        }
        RopeScaling::Yarn(ref yarn) => {
            // The pair that turns so many times over the original context; pairs need not be whole.
            let n_pairs = config.rope_dim as f64 / 2.0;
            let pair = |frequency: f64| -frequency.ln() / config.base.ln() * n_pairs;
            let pair_of_turns =
                |n_turns: f64| pair(n_turns * std::f64::consts::TAU / yarn.n_ctx_original);
            let (low, high) = (pair_of_turns(yarn.beta_fast), pair_of_turns(yarn.beta_slow));
            let (low, high) =
                if yarn.is_truncated { (low.floor(), high.ceil()) } else { (low, high) };
            let (low, high) = (low.max(0.0), high.min(2.0 * n_pairs - 1.0));
            let width = if low == high { 0.001 } else { high - low };
            let divided = ((pair(frequency) - low) / width).clamp(0.0, 1.0);
            frequency * (1.0 - divided + divided / yarn.factor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(scaling: RopeScaling) -> RopeTable {
        RopeTable::new(&RopeConfig { rope_dim: 64, base: 500_000.0, scaling }, None)
    }

    /// The score of a rotated query and key depends on their distance alone.
    #[test]
    fn rotation_is_relative() {
        let table = table(RopeScaling::None);
        let n = table.n_pairs();
        let (mut cos, mut sin) = (vec![0.0; 4 * n], vec![0.0; 4 * n]);
        table.fill(&[3, 10, 1003, 1010], &mut cos, &mut sin);
        for pairing in [RopePairing::Interleaved, RopePairing::HalfSplit] {
            let score = |at_q: usize, at_k: usize| {
                let mut q: Vec<f32> = (0..64).map(|i| (i as f32 * 0.7).sin()).collect();
                let mut k: Vec<f32> = (0..64).map(|i| (i as f32 * 0.3).cos()).collect();
                let kernels = kernels::scalar();
                rotate(kernels, pairing, &mut q, &cos[at_q * n..][..n], &sin[at_q * n..][..n]);
                rotate(kernels, pairing, &mut k, &cos[at_k * n..][..n], &sin[at_k * n..][..n]);
                q.iter().zip(&k).map(|(a, b)| a * b).sum::<f32>()
            };
            // 1e-4: 64 products of values below one, angles rounded to f32.
            assert!((score(1, 0) - score(3, 2)).abs() < 1e-4);
            assert!((score(1, 0) - score(2, 0)).abs() > 1e-2);
        }
    }

    /// Llama 3.1's blend keeps the highest frequency and divides the lowest by the factor.
    #[test]
    fn llama3_scaling_touches_low_frequencies_only() {
        let scaled = table(RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            n_ctx_original: 8192.0,
        });
        let plain = table(RopeScaling::None);
        assert_eq!(scaled.frequencies[0], plain.frequencies[0]);
        assert_eq!(scaled.frequencies[31], plain.frequencies[31] / 8.0);
    }
}
