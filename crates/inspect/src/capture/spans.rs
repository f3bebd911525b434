//! What every head gives to parts of a text, row by row.

use std::ops::Range;

use engine::Watcher;
use model::ModelConfig;
use model::batch::KeysOf;
use model::probe::{LayerAt, RowWeights};

use super::{PlanTooLarge, check_size};

/// Which rows, and which parts of the text.
#[derive(Clone, Debug)]
pub struct SpansPlan {
    /// Positions of rows.
    pub rows: Range<u32>,
    /// Positions of keys; may overlap, and end after a row, which sees what lies before it.
    pub spans: Vec<Range<u32>>,
}

/// Adds up each head's weights over spans.
pub struct SpanWeights {
    plan: SpansPlan,
    n_heads: usize,
    /// `[n_rows, n_layers, n_heads, n_spans]`
    weights: Vec<f32>,
    /// Width of a row.
    n_of_row: usize,
}

impl SpanWeights {
    /// # Errors
    /// [`PlanTooLarge`].
    pub fn new(
        config: &ModelConfig,
        plan: SpansPlan,
        n_bytes_max: usize,
    ) -> Result<Self, PlanTooLarge> {
        let n_heads = config.n_heads;
        let n_of_row = config.n_layers * n_heads * plan.spans.len();
        let n = plan.rows.len().saturating_mul(n_of_row);
        check_size(n.saturating_mul(size_of::<f32>()), n_bytes_max)?;
        Ok(Self { n_heads, weights: vec![0.0; n], n_of_row, plan })
    }

    pub fn rows(&self) -> Range<u32> {
        self.plan.rows.clone()
    }

    /// The weights of each span in a row, head by head.
    ///
    /// # Shapes
    /// `[n_layers * n_heads, n_spans]`
    pub fn row(&self, query_pos: u32) -> std::slice::ChunksExact<'_, f32> {
        assert!(self.plan.rows.contains(&query_pos));
        let row = (query_pos - self.plan.rows.start) as usize;
        let weights = &self.weights[row * self.n_of_row..][..self.n_of_row];
        weights.chunks_exact(self.plan.spans.len())
    }
}

impl Watcher for SpanWeights {
    fn first_pos(&self) -> usize {
        self.plan.rows.start as usize
    }

    fn restart(&mut self) {
        self.weights.fill(0.0);
    }

    fn wants_weights(&self, layer: LayerAt, query_pos: u32) -> bool {
        layer.keys_of == KeysOf::Own && self.plan.rows.contains(&query_pos)
    }

    fn weights(&mut self, layer: LayerAt, query_pos: u32, found: &mut RowWeights<'_>) {
        let n_spans = self.plan.spans.len();
        let row = (query_pos - self.plan.rows.start) as usize * self.n_of_row;
        let first = row + layer.layer_idx * self.n_heads * n_spans;
        for head_idx in 0..self.n_heads {
            let weights = found.of_head(head_idx);
            let sums = &mut self.weights[first + head_idx * n_spans..][..n_spans];
            for (sum, span) in sums.iter_mut().zip(&self.plan.spans) {
                *sum = over(weights, found.key_positions, span);
            }
        }
    }
}

/// The sum over the keys at positions of `span`; positions ascend.
fn over(weights: &[f32], key_positions: &[u32], span: &Range<u32>) -> f32 {
    let start = key_positions.partition_point(|&pos| pos < span.start);
    let end = key_positions.partition_point(|&pos| pos < span.end).max(start);
    weights[start..end].iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_positions_of_keys_that_are_there() {
        let check = |span: Range<u32>, expected: f32| {
            let found = over(&[0.5, 0.125, 0.25], &[0, 4, 5], &span);
            assert_eq!(found, expected, "{span:?}");
        };
        check(0..6, 0.875);
        check(1..5, 0.125);
        check(1..4, 0.0);
        check(4..90, 0.375);
        check(9..9, 0.0);
    }
}
