//! All rows of a text, and how far those of another model are from them.

use engine::Watcher;
use model::ModelConfig;
use model::batch::KeysOf;
use model::probe::{LayerAt, RowWeights};

use super::{PlanTooLarge, check_size};

/// The weights of every row of every layer and head: of the square of a text's length.
#[derive(Clone, Debug, PartialEq)]
pub struct AllRows {
    n_heads: usize,
    n_tokens: usize,
    /// `[n_layers, n_heads, rows]`, where row `i` has the weights of keys 0 to `i`, then that of a
    /// learned sink.
    weights: Vec<f32>,
}

/// Total variation distances between rows: 0 where they are equal, 1 where they share no key.
pub struct RowDistances {
    theirs: AllRows,
    /// `[n_layers, n_heads]`
    found: Vec<Distance>,
}

/// Over the rows of one head but the first, which sees nothing but itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Distance {
    pub n: usize,
    pub sum: f64,
    pub max: f64,
}

impl AllRows {
    /// # Errors
    /// [`PlanTooLarge`]: the text is too long.
    pub fn new(
        config: &ModelConfig,
        n_tokens: usize,
        n_bytes_max: usize,
    ) -> Result<Self, PlanTooLarge> {
        let n_rows = config.n_layers * config.n_heads;
        let n_weights = n_rows.saturating_mul(row_start(n_tokens));
        check_size(n_weights.saturating_mul(size_of::<f32>()), n_bytes_max)?;
        Ok(Self { n_heads: config.n_heads, n_tokens, weights: vec![0.0; n_weights] })
    }

    /// The weights of keys 0 to `query_pos`, then that of a learned sink.
    fn row_mut(&mut self, head: usize, query_pos: usize) -> &mut [f32] {
        let start = head * row_start(self.n_tokens) + row_start(query_pos);
        &mut self.weights[start..][..query_pos + 2]
    }

    fn row(&self, head: usize, query_pos: usize) -> &[f32] {
        let start = head * row_start(self.n_tokens) + row_start(query_pos);
        &self.weights[start..][..query_pos + 2]
    }
}

/// Weights of all rows before this one.
fn row_start(query_pos: usize) -> usize {
    query_pos * (query_pos + 3) / 2
}

impl Watcher for AllRows {
    fn first_pos(&self) -> usize {
        0
    }

    fn restart(&mut self) {
        self.weights.fill(0.0);
    }

    fn wants_weights(&self, layer: LayerAt, query_pos: u32) -> bool {
        layer.keys_of == KeysOf::Own && (query_pos as usize) < self.n_tokens
    }

    fn weights(&mut self, layer: LayerAt, query_pos: u32, found: &mut RowWeights<'_>) {
        for head_idx in 0..self.n_heads {
            let row = self.row_mut(layer.layer_idx * self.n_heads + head_idx, query_pos as usize);
            for (pos, weight) in seen(found, head_idx, query_pos) {
                row[pos] = weight;
            }
            row[query_pos as usize + 1] = found.sinks[head_idx];
        }
    }
}

/// Keys with weights, by their positions.
fn seen(
    found: &RowWeights<'_>,
    head_idx: usize,
    query_pos: u32,
) -> impl Iterator<Item = (usize, f32)> {
    let keys = found.key_positions.iter().zip(found.of_head(head_idx));
    keys.filter(move |(pos, _)| **pos <= query_pos).map(|(&pos, &weight)| (pos as usize, weight))
}

impl RowDistances {
    /// From the rows of another model of the same shape.
    pub fn from(theirs: AllRows) -> Self {
        let n_found = theirs.weights.len() / row_start(theirs.n_tokens).max(1);
        Self { theirs, found: vec![Distance::default(); n_found] }
    }

    /// `[n_layers, n_heads]`
    pub fn found(&self) -> &[Distance] {
        &self.found
    }
}

impl Watcher for RowDistances {
    fn first_pos(&self) -> usize {
        0
    }

    fn restart(&mut self) {
        self.found.fill(Distance::default());
    }

    fn wants_weights(&self, layer: LayerAt, query_pos: u32) -> bool {
        query_pos > 0 && self.theirs.wants_weights(layer, query_pos)
    }

    fn weights(&mut self, layer: LayerAt, query_pos: u32, found: &mut RowWeights<'_>) {
        let n_heads = self.theirs.n_heads;
        for head_idx in 0..n_heads {
            let head = layer.layer_idx * n_heads + head_idx;
            let mut row = self.theirs.row(head, query_pos as usize).to_vec();
            for (pos, weight) in seen(found, head_idx, query_pos) {
                row[pos] -= weight;
            }
            row[query_pos as usize + 1] -= found.sinks[head_idx];
            let distance = row.iter().map(|x| f64::from(x.abs())).sum::<f64>() / 2.0;
            let of_head = &mut self.found[head];
            of_head.n += 1;
            of_head.sum += distance;
            of_head.max = of_head.max.max(distance);
        }
    }
}

impl Distance {
    pub fn mean(&self) -> f64 {
        self.sum / self.n.max(1) as f64
    }
}
