//! How a token knows where it stands: frequencies once in f64, angles per token.

use kernels::Kernels;

use crate::rope_config::{RopeConfig, RopeFactors, RopeScaling};
use crate::spec::RopePairing;

/// Rotary position embedding (Su et al. 2021): `theta_i = base^(-2i / rope_dim)`, scaled;
/// `[rope_dim / 2]`.
#[derive(Clone, Debug)]
pub struct RopeTable {
    frequencies: Vec<f64>,
    /// What rotated heads are multiplied by.
    magnitude: f64,
}

impl RopeTable {
    /// Of texts of up to `n_ctx` positions. LongRoPE and dynamic NTK look at it, and at nothing
    /// else: a cache holds keys that are rotated already, so what rotates them cannot change while
    /// a text grows.
    pub fn new(config: &RopeConfig, n_ctx: usize) -> Self {
        let scaled = &config.scaled;
        let is_longer = n_ctx as f64 > scaled.n_ctx_original;
        let factors = match &scaled.factors {
            RopeFactors::None => None,
            RopeFactors::Same(factors) => Some(factors),
            RopeFactors::ByContext { short, .. } if !is_longer => Some(short),
            RopeFactors::ByContext { long, .. } => Some(long),
        };
        let rope_dim = config.rope_dim as f64;
        // Peng et al. 2023, section 3: the lowest frequency is divided by `stretch`.
        let stretched = |stretch: f64| config.base * stretch.powf(rope_dim / (rope_dim - 2.0));
        let base = match scaled.scaling {
            RopeScaling::DynamicNtk { factor } if is_longer => {
                stretched(factor * n_ctx as f64 / scaled.n_ctx_original - (factor - 1.0))
            }
            RopeScaling::Ntk { alpha } => stretched(alpha),
            _ => config.base,
        };
        let frequencies = (0..config.rope_dim / 2).map(|i| {
            let frequency = base.powf(-2.0 * i as f64 / rope_dim);
            let factor = factors.map_or(1.0, |factors| f64::from(factors[i]));
            scale(frequency, config) / factor
        });
        Self { frequencies: frequencies.collect(), magnitude: scaled.magnitude }
    }

    /// Rotates nothing.
    pub fn none() -> Self {
        Self { frequencies: Vec::new(), magnitude: 1.0 }
    }

    /// Bytes that [`Self::new`] allocates.
    pub(crate) fn n_bytes(config: &RopeConfig) -> usize {
        config.rope_dim / 2 * size_of::<f64>()
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

/// Sines and cosines of positions (Vaswani et al. 2017, section 3.5) as tensor2tensor has them:
/// `theta_i = 10000^(-i / (n - 1))` for the `n = d_model / 2` pairs, all sines before all cosines.
#[derive(Clone, Debug)]
pub struct Sinusoids {
    frequencies: Vec<f64>,
}

impl Sinusoids {
    pub fn new(d_model: usize) -> Self {
        let n = d_model / 2;
        let last = n.saturating_sub(1).max(1) as f64;
        Self { frequencies: (0..n).map(|i| 1e4f64.powf(-(i as f64) / last)).collect() }
    }

    /// `row`: `[d_model]`.
    pub fn fill(&self, pos: usize, row: &mut [f32]) {
        let (sines, cosines) = row.split_at_mut(self.frequencies.len());
        // An odd last value stays zero.
        cosines[self.frequencies.len()..].fill(0.0);
        for ((frequency, sine), cosine) in self.frequencies.iter().zip(sines).zip(cosines) {
            let (s, c) = (pos as f64 * frequency).sin_cos();
            (*sine, *cosine) = (s as f32, c as f32);
        }
    }
}

fn scale(frequency: f64, config: &RopeConfig) -> f64 {
    let n_ctx_original = config.scaled.n_ctx_original;
    match config.scaled.scaling {
        RopeScaling::None | RopeScaling::DynamicNtk { .. } | RopeScaling::Ntk { .. } => frequency,
        RopeScaling::Linear { factor } => frequency / factor,
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor } => {
            let n_turns = n_ctx_original * frequency / std::f64::consts::TAU;
            let blend = (n_turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
            let blend = blend.clamp(0.0, 1.0);
            frequency * (blend + (1.0 - blend) / factor)
        }
        RopeScaling::Yarn { factor, beta_fast, beta_slow, is_truncated } => {
            // The pair that turns so many times over the original context; pairs need not be whole.
            let n_pairs = config.rope_dim as f64 / 2.0;
            let pair = |frequency: f64| -frequency.ln() / config.base.ln() * n_pairs;
            let pair_of_turns =
                |n_turns: f64| pair(n_turns * std::f64::consts::TAU / n_ctx_original);
            let (low, high) = (pair_of_turns(beta_fast), pair_of_turns(beta_slow));
            let (low, high) = if is_truncated { (low.floor(), high.ceil()) } else { (low, high) };
            let (low, high) = (low.max(0.0), high.min(2.0 * n_pairs - 1.0));
            let width = if low == high { 0.001 } else { high - low };
            let divided = ((pair(frequency) - low) / width).clamp(0.0, 1.0);
            frequency * (1.0 - divided + divided / factor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rope_config::ScaledRope;

    const ORIGINAL: usize = 8192;

    fn table(scaling: RopeScaling, factors: RopeFactors, n_ctx: usize) -> RopeTable {
        let n_ctx_original = ORIGINAL as f64;
        let plain = ScaledRope::default();
        let scaled = ScaledRope { scaling, n_ctx_original, factors, ..plain };
        RopeTable::new(&RopeConfig { scaled, ..RopeConfig::new(64, 500_000.0) }, n_ctx)
    }

    fn plain() -> RopeTable {
        table(RopeScaling::None, RopeFactors::None, ORIGINAL)
    }

    /// The score of a rotated query and key depends on their distance alone.
    #[test]
    fn rotation_is_relative() {
        let table = plain();
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
        let llama3 =
            RopeScaling::Llama3 { factor: 8.0, low_freq_factor: 1.0, high_freq_factor: 4.0 };
        let scaled = table(llama3, RopeFactors::None, ORIGINAL);
        assert_eq!(scaled.frequencies[0], plain().frequencies[0]);
        assert_eq!(scaled.frequencies[31], plain().frequencies[31] / 8.0);
    }

    /// The base of dynamic NTK is such that the lowest frequency is divided by the stretch, and
    /// only where texts are longer than the original context.
    #[test]
    fn dynamic_ntk_divides_the_lowest_frequency() {
        let dynamic = RopeScaling::DynamicNtk { factor: 2.0 };
        let at = |n_ctx: usize| table(dynamic, RopeFactors::None, n_ctx).frequencies;
        assert_eq!(at(100), plain().frequencies);
        assert_eq!(at(ORIGINAL), plain().frequencies);
        // 2 * 3 - 1
        let (scaled, plain) = (at(3 * ORIGINAL), plain().frequencies);
        assert_eq!(scaled[0], plain[0]);
        assert!((scaled[31] * 5.0 / plain[31] - 1.0).abs() < 1e-12);
        let always = table(RopeScaling::Ntk { alpha: 5.0 }, RopeFactors::None, 100).frequencies;
        assert_eq!(always, scaled);
    }

    #[test]
    fn long_texts_have_factors_of_their_own() {
        let factors = || RopeFactors::ByContext { short: vec![1.0; 32], long: vec![4.0; 32] };
        let at = |n_ctx: usize| table(RopeScaling::None, factors(), n_ctx).frequencies;
        let plain = plain().frequencies;
        assert_eq!(at(ORIGINAL), plain);
        assert_eq!(at(ORIGINAL + 1), plain.iter().map(|x| x / 4.0).collect::<Vec<_>>());
    }
}
