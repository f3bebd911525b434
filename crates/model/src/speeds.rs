//! How long a model takes on one machine, from a few times measured there.

use crate::config::ModelConfig;
use crate::cost::keys_seen;
use crate::kv::{KvPolicy, N_OBSERVED};

/// Seconds of one model, with one cache type and number of threads; see
/// [`calibrate`](crate::calibrate()).
#[derive(Clone, Debug, PartialEq)]
pub struct Speeds {
    /// All layers, for batches of so many tokens, without their attention.
    pub layers: Curve,
    /// The logits of one token.
    pub unembed: f64,
    /// Attention of one token in one layer, by the number of keys.
    pub attention: Curve,
    /// Attention of a prompt, for each key that a token sees in one layer.
    pub seen_key: f64,
}

/// Seconds over counts: linear between the points and, as steep as between the last two, beyond.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// (count, seconds), both ascending.
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// `None` where the points are not ascending numbers. Measured times are noisy: see
    /// [`Curve::rising`].
    pub fn new(points: Vec<(f64, f64)>) -> Option<Self> {
        let is_number = |&(count, seconds): &(f64, f64)| {
            count.is_finite() && seconds.is_finite() && seconds >= 0.0
        };
        let ascend = points.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
        (!points.is_empty() && points.iter().all(is_number) && ascend).then_some(Self { points })
    }

    /// Takes a point that is slower than one after it for as fast: what disturbs a measurement only
    /// ever adds to it.
    pub(crate) fn rising(mut points: Vec<(f64, f64)>) -> Self {
        let mut fastest = f64::INFINITY;
        for (_, seconds) in points.iter_mut().rev() {
            fastest = fastest.min(*seconds);
            *seconds = fastest;
        }
        points.dedup_by_key(|point| point.0);
        Self { points }
    }

    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    pub fn at(&self, count: f64) -> f64 {
        let points = &self.points;
        let [.., last] = points[..] else { return 0.0 };
        if points.len() == 1 {
            return last.1;
        }
        let next = points.partition_point(|point| point.0 < count).clamp(1, points.len() - 1);
        let ((x0, y0), (x1, y1)) = (points[next - 1], points[next]);
        (y0 + (y1 - y0) * (count - x0) / (x1 - x0)).max(0.0)
    }
}

impl Speeds {
    /// Seconds to compute `n` tokens after `depth` others, up to `n_tokens_max` in one pass, and
    /// the logits of the last.
    pub fn prefill_s(
        &self,
        (config, policy): (&ModelConfig, KvPolicy),
        depth: usize,
        n: usize,
        n_tokens_max: usize,
    ) -> f64 {
        let chunks = (0..n).step_by(n_tokens_max).map(|first| n_tokens_max.min(n - first));
        let layers: f64 = chunks.map(|n_tokens| self.layers.at(n_tokens as f64)).sum();
        layers + self.seen_key * keys_seen(config, policy, depth, n) as f64 + self.unembed
    }

    /// Seconds of one token of each of `n_parallel` sequences of `depth` tokens, decoded together.
    pub fn token_s(
        &self,
        (config, policy): (&ModelConfig, KvPolicy),
        depth: usize,
        n_parallel: usize,
    ) -> f64 {
        let n = n_parallel as f64;
        let n_layers = config.n_layers as f64;
        let n_keys = keys_seen(config, policy, depth, 1) as f64 / n_layers;
        let layers = self.layers.at(n);
        // Rows cost logits what they cost layers.
        let unembed = self.unembed * layers / self.layers.at(1.0);
        layers + unembed + n * n_layers * self.attention.at(n_keys)
    }

    /// Seconds of `n` tokens one after the other, in each of `n_parallel` sequences of `depth`, and
    /// of judging what of these is kept.
    pub fn decode_s(
        &self,
        (config, policy): (&ModelConfig, KvPolicy),
        depth: usize,
        n: usize,
        n_parallel: usize,
    ) -> f64 {
        /// Of so many tokens the middle one stands for all.
        const N_SAMPLES: usize = 256;
        let step = n.div_ceil(N_SAMPLES).max(1);
        let samples = (0..n).step_by(step).map(|first| {
            let n_tokens = step.min(n - first);
            let token_s = self.token_s((config, policy), depth + first + n_tokens / 2, n_parallel);
            n_tokens as f64 * token_s
        });
        samples.sum::<f64>() + n_parallel as f64 * self.judge_s((config, policy), depth, n)
    }

    /// Tokens a second of all sequences together as long as [`Self::decode_s`] takes. An answer of
    /// no tokens has the speed of its first.
    pub fn decode_tps(
        &self,
        run: (&ModelConfig, KvPolicy),
        depth: usize,
        n: usize,
        n_parallel: usize,
    ) -> f64 {
        let n = n.max(1);
        (n * n_parallel) as f64 / self.decode_s(run, depth, n, n_parallel)
    }

    /// Judging takes what attention of the observed tokens takes.
    fn judge_s(&self, (config, policy): (&ModelConfig, KvPolicy), depth: usize, n: usize) -> f64 {
        if n == 0 || policy.eviction().is_none_or(|eviction| eviction.n_judged().is_none()) {
            return 0.0;
        }
        let first = depth.saturating_sub(N_OBSERVED);
        self.seen_key * keys_seen(config, KvPolicy::KeepAll, first, depth - first) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_linear_between_points_and_beyond() {
        let curve = Curve::new(vec![(1.0, 2.0), (3.0, 4.0), (5.0, 10.0)]).expect("ascending");
        let check = |count: f64, expected: f64| assert_eq!(curve.at(count), expected, "{count}");
        check(1.0, 2.0);
        check(2.0, 3.0);
        check(4.0, 7.0);
        check(7.0, 16.0);
        check(0.0, 1.0);
        let risen = Curve::rising(vec![(0.0, 3.0), (1.0, 2.0), (2.0, 4.0)]);
        assert_eq!(risen.points(), [(0.0, 2.0), (1.0, 2.0), (2.0, 4.0)]);
    }

    #[test]
    fn what_is_no_curve_is_refused() {
        let check = |points: &[(f64, f64)]| assert_eq!(Curve::new(points.to_vec()), None);
        check(&[]);
        check(&[(1.0, f64::NAN)]);
        check(&[(1.0, -1.0)]);
        check(&[(2.0, 1.0), (1.0, 2.0)]);
        check(&[(1.0, 1.0), (1.0, 2.0)]);
        check(&[(1.0, 2.0), (2.0, 1.0)]);
    }
}
