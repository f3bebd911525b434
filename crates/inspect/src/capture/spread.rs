//! How the attention of some rows is spread: over the first key, over a part of the text, and over
//! how many keys.

use std::ops::Range;

use engine::Watcher;
use model::batch::KeysOf;
use model::probe::{LayerAt, RowWeights};
use serde::Serialize;

/// Which rows, and which keys.
#[derive(Clone, Debug)]
pub struct SpreadPlan {
    /// Positions of queries.
    pub rows: Range<u32>,
    /// Positions of keys that the span is compared within.
    pub context: Range<u32>,
    /// Of them, those whose share is wanted.
    pub span: Range<u32>,
}

/// Means over the rows of all layers and heads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SpreadFound {
    /// Rows of single heads.
    pub n: usize,
    /// The weight of the first key, which takes what is needed nowhere, and of learned sinks.
    pub sink: f64,
    pub virtual_sink: f64,
    /// What the span weighs, and what the context weighs with it.
    pub span: f64,
    pub context: f64,
    /// Of what is left without sinks, in nats.
    pub entropy: f64,
}

/// Adds rows up while they are computed.
pub struct Spread {
    plan: SpreadPlan,
    sums: SpreadFound,
}

impl Spread {
    pub fn new(plan: SpreadPlan) -> Self {
        assert!(plan.context.start <= plan.span.start && plan.span.end <= plan.context.end);
        Self { plan, sums: SpreadFound::default() }
    }

    pub fn found(&self) -> SpreadFound {
        let n = self.sums.n.max(1) as f64;
        let SpreadFound { n: n_rows, sink, virtual_sink, span, context, entropy } = self.sums;
        SpreadFound {
            n: n_rows,
            sink: sink / n,
            virtual_sink: virtual_sink / n,
            span: span / n,
            context: context / n,
            entropy: entropy / n,
        }
    }
}

impl Watcher for Spread {
    fn first_pos(&self) -> usize {
        self.plan.rows.start as usize
    }

    fn restart(&mut self) {
        self.sums = SpreadFound::default();
    }

    fn wants_weights(&self, layer: LayerAt, query_pos: u32) -> bool {
        layer.keys_of == KeysOf::Own && self.plan.rows.contains(&query_pos)
    }

    fn weights(&mut self, _layer: LayerAt, _query_pos: u32, found: &mut RowWeights<'_>) {
        let Self { plan, sums } = self;
        for (head_idx, virtual_sink) in found.sinks.iter().enumerate() {
            let weights = found.of_head(head_idx);
            sums.n += 1;
            sums.virtual_sink += f64::from(*virtual_sink);
            for (&pos, &weight) in found.key_positions.iter().zip(weights) {
                let weight = f64::from(weight);
                // A context that begins with the text has the sink in it, which is no part of it.
                if pos == 0 {
                    sums.sink += weight;
                } else if plan.context.contains(&pos) {
                    sums.context += weight;
                    sums.span += if plan.span.contains(&pos) { weight } else { 0.0 };
                }
            }
            let rest = weights.get(1..).unwrap_or(&[]);
            sums.entropy += entropy_of_shares(rest);
        }
    }
}

/// `-sum_k p_k ln(p_k)` with `p = w / sum(w)`, which is `ln(sum w) - sum_k w_k ln(w_k) / sum w`.
fn entropy_of_shares(weights: &[f32]) -> f64 {
    let seen = || weights.iter().filter(|&&weight| weight > 0.0).map(|&weight| f64::from(weight));
    let sum: f64 = seen().sum();
    let logs: f64 = seen().map(|weight| weight * weight.ln()).sum();
    if sum > 0.0 { (sum.ln() - logs / sum).max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_that_of_shares() {
        let check = |weights: &[f32], n_keys: f64| {
            let found = entropy_of_shares(weights);
            assert!((found - n_keys.ln()).abs() < 1e-6, "{found}");
        };
        check(&[], 1.0);
        check(&[0.0, 0.3], 1.0);
        check(&[0.1, 0.1, 0.0, 0.1, 0.1], 4.0);
    }
}
