//! What each token of an answer rests on: the prompt or the answer itself, much or little, sinks.

use std::ops::Range;

use engine::Watcher;
use model::batch::KeysOf;
use model::probe::{LayerAt, RowWeights};
use serde::Serialize;

use super::View;
use crate::capture::{All, RowStatistics, SinkApart};
use crate::inspector::{InspectError, Inspector};

/// Of the row that wrote a token, in the mean over all heads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StripToken {
    /// Of the weights but that of the first key, made to sum to one; in nats.
    pub entropy: f64,
    /// The weight of the first key.
    pub sink: f64,
    /// What the prompt has of the weight of all keys but the first: the lookback share.
    pub context: f64,
}

/// One of each token of the answer.
///
/// # Errors
/// An answer that is too long to be looked at, and what becomes of requests.
pub fn strip(inspector: &mut Inspector<'_>, view: &View) -> Result<Vec<StripToken>, InspectError> {
    let rows = view.n_prompt as u32 - 1..view.ids.len() as u32 - 1;
    let config = &inspector.model.config;
    let statistics = RowStatistics::new(config, rows.clone(), inspector.n_bytes_max)?;
    let context = ContextShares {
        rows: rows.clone(),
        n_prompt: view.n_prompt,
        sums: vec![0.0; rows.len()],
        n_rows: vec![0; rows.len()],
    };
    let All(statistics, context) = inspector.watch(&view.ids, All(statistics, context))?;
    let token = |(row, query_pos): (usize, u32)| {
        let heads = statistics.row(query_pos).iter().map(SinkApart::of);
        let n = statistics.row(query_pos).len().max(1) as f64;
        let sum = heads.fold(SinkApart::default(), |sum, head| SinkApart {
            first: sum.first + head.first,
            entropy: sum.entropy + head.entropy,
        });
        StripToken {
            entropy: sum.entropy / n,
            sink: sum.first / n,
            context: context.sums[row] / context.n_rows[row].max(1) as f64,
        }
    };
    Ok(rows.enumerate().map(token).collect())
}

/// Adds up what the prompt has of rows, head by head.
struct ContextShares {
    rows: Range<u32>,
    n_prompt: usize,
    /// `[n_rows]`
    sums: Vec<f64>,
    /// Heads that have looked at anything but the first key.
    n_rows: Vec<usize>,
}

impl Watcher for ContextShares {
    fn first_pos(&self) -> usize {
        self.rows.start as usize
    }

    fn restart(&mut self) {
        self.sums.fill(0.0);
        self.n_rows.fill(0);
    }

    fn wants_weights(&self, layer: LayerAt, query_pos: u32) -> bool {
        layer.keys_of == KeysOf::Own && self.rows.contains(&query_pos)
    }

    fn weights(&mut self, _layer: LayerAt, query_pos: u32, found: &mut RowWeights<'_>) {
        let row = (query_pos - self.rows.start) as usize;
        for head_idx in 0..found.log_sum_exp.len() {
            let weights = found.of_head(head_idx);
            let n_prompt = self.n_prompt.min(weights.len());
            let (prompt, answer) = weights.split_at(n_prompt);
            let first = prompt.first().copied().unwrap_or(0.0);
            let sum = |weights: &[f32]| weights.iter().map(|&w| f64::from(w)).sum::<f64>();
            // The prompt is long, and the rest of what is known.
            let answer = sum(answer);
            let rest = 1.0 - f64::from(first) - f64::from(found.sinks[head_idx]);
            if rest > 1e-6 {
                self.sums[row] += ((rest - answer) / rest).clamp(0.0, 1.0);
                self.n_rows[row] += 1;
            }
        }
    }
}
