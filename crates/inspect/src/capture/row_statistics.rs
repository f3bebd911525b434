//! Statistics of single rows, head by head: by-products of online softmax, which cost little.

use std::ops::Range;

use engine::Watcher;
use model::ModelConfig;
use model::batch::KeysOf;
use model::probe::{LayerAt, RowStats, Statistics as OfBatch};

use super::{PlanTooLarge, check_size};

/// Of some rows of a text, in all layers and heads.
pub struct RowStatistics {
    rows: Range<u32>,
    n_heads: usize,
    /// `[n_rows, n_layers, n_heads]`
    found: Vec<RowStats>,
}

/// A row without the text's first key, where attention goes that is needed nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SinkApart {
    /// The weight of the first key.
    pub first: f64,
    /// Of the other keys' weights, made to sum to one; in nats.
    pub entropy: f64,
}

impl RowStatistics {
    /// # Errors
    /// [`PlanTooLarge`].
    pub fn new(
        config: &ModelConfig,
        rows: Range<u32>,
        n_bytes_max: usize,
    ) -> Result<Self, PlanTooLarge> {
        let n = rows.len().saturating_mul(config.n_layers * config.n_heads);
        check_size(n.saturating_mul(size_of::<RowStats>()), n_bytes_max)?;
        Ok(Self { rows, n_heads: config.n_heads, found: vec![RowStats::default(); n] })
    }

    /// `[n_layers * n_heads]`
    pub fn row(&self, query_pos: u32) -> &[RowStats] {
        let n_of_row = self.found.len() / self.rows.len().max(1);
        &self.found[(query_pos - self.rows.start) as usize * n_of_row..][..n_of_row]
    }

    /// The mean over rows: `[n_layers * n_heads]`.
    pub fn means(&self) -> Vec<SinkApart> {
        let n_of_row = self.found.len() / self.rows.len().max(1);
        let mut means = vec![SinkApart::default(); n_of_row];
        for query_pos in self.rows.clone() {
            for (mean, row) in means.iter_mut().zip(self.row(query_pos)) {
                let SinkApart { first, entropy } = SinkApart::of(row);
                mean.first += first / self.rows.len() as f64;
                mean.entropy += entropy / self.rows.len() as f64;
            }
        }
        means
    }
}

impl SinkApart {
    /// With `p` the weight of the first key and `H` the entropy of all, what the others have among
    /// themselves is `(H + p ln p) / (1 - p) + ln (1 - p)`.
    pub fn of(row: &RowStats) -> Self {
        let (first, entropy) = (f64::from(row.first), f64::from(row.entropy));
        let rest = 1.0 - first;
        let entropy = match rest > 1e-6 && first > 0.0 {
            true => (entropy + first * first.ln()) / rest + rest.ln(),
            // Nothing is left to have an entropy, or nothing was taken from it.
            false if rest <= 1e-6 => 0.0,
            false => entropy,
        };
        Self { first, entropy: entropy.max(0.0) }
    }
}

impl Watcher for RowStatistics {
    fn first_pos(&self) -> usize {
        self.rows.start as usize
    }

    fn restart(&mut self) {
        self.found.fill(RowStats::default());
    }

    fn wants_statistics(&self, layer: LayerAt) -> bool {
        layer.keys_of == KeysOf::Own
    }

    fn statistics(
        &mut self,
        layer: LayerAt,
        rows: Range<usize>,
        first_pos: u32,
        found: &OfBatch<'_>,
    ) {
        let n_of_row = self.found.len() / self.rows.len().max(1);
        for token_idx in rows.clone() {
            let query_pos = first_pos + (token_idx - rows.start) as u32;
            if !self.rows.contains(&query_pos) {
                continue;
            }
            let row = (query_pos - self.rows.start) as usize * n_of_row;
            let heads = &mut self.found[row + layer.layer_idx * self.n_heads..][..self.n_heads];
            for (head_idx, head) in heads.iter_mut().enumerate() {
                *head = *found.row(token_idx, head_idx);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_without_the_sink_is_that_of_the_other_keys() {
        let check = |weights: &[f32]| {
            let entropy = |weights: &[f32]| -> f32 {
                weights.iter().filter(|&&w| w > 0.0).map(|w| -w * w.ln()).sum()
            };
            let rest: f32 = weights[1..].iter().sum();
            let others: Vec<f32> = weights[1..].iter().map(|w| w / rest).collect();
            let row =
                RowStats { first: weights[0], entropy: entropy(weights), ..RowStats::default() };
            let found = SinkApart::of(&row).entropy;
            assert!((found - f64::from(entropy(&others))).abs() < 1e-5, "{weights:?}: {found}");
        };
        check(&[0.9, 0.05, 0.05]);
        check(&[0.2, 0.3, 0.1, 0.4]);
        check(&[0.0, 0.5, 0.5]);
        let all = RowStats { first: 1.0, ..RowStats::default() };
        assert_eq!(SinkApart::of(&all), SinkApart { first: 1.0, entropy: 0.0 });
    }
}
