//! Single rows: the heaviest keys of each.

use std::ops::Range;

use engine::Watcher;
use model::batch::KeysOf;
use model::probe::{LayerAt, RowWeights};

use super::selection::Selection;
use super::{PlanTooLarge, check_size};
use crate::record::Row;

/// Which rows, and how much of each.
#[derive(Clone, Debug)]
pub struct RowPlan {
    pub selection: Selection,
    /// Positions; what is not computed is not seen.
    pub rows: Range<u32>,
    /// Heaviest keys of each; `usize::MAX`: all that it sees.
    pub n_top: usize,
}

/// Keeps rows.
pub struct TopRows {
    plan: RowPlan,
    rows: Vec<Row>,
    /// Scratch: key indices.
    order: Vec<u32>,
}

impl RowPlan {
    /// Bytes of the rows, when the text has so many tokens.
    pub fn n_bytes(&self, n_tokens: usize) -> usize {
        let n_rows = self.rows.len().min(n_tokens) * self.selection.n_heads();
        let n_keys = self.n_top.min(n_tokens);
        n_rows.saturating_mul(size_of::<Row>() + n_keys * size_of::<(u32, f32)>())
    }
}

impl TopRows {
    /// Of a text of up to `n_tokens`.
    ///
    /// # Errors
    /// [`PlanTooLarge`].
    pub fn new(plan: RowPlan, n_tokens: usize, n_bytes_max: usize) -> Result<Self, PlanTooLarge> {
        check_size(plan.n_bytes(n_tokens), n_bytes_max)?;
        Ok(Self { plan, rows: Vec::new(), order: Vec::new() })
    }

    /// In the order of the text, then of layers, then of heads.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Takes what was seen so far.
    pub fn take(&mut self) -> Vec<Row> {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by_key(|row| (row.query_pos, row.layer_idx, row.head_idx));
        rows
    }
}

impl Watcher for TopRows {
    fn first_pos(&self) -> usize {
        self.plan.rows.start as usize
    }

    fn restart(&mut self) {
        self.rows.clear();
    }

    fn wants_weights(&self, layer: LayerAt, query_pos: u32) -> bool {
        layer.keys_of == KeysOf::Own
            && self.plan.rows.contains(&query_pos)
            && self.plan.selection.place(layer.layer_idx).is_some()
    }

    fn weights(&mut self, layer: LayerAt, query_pos: u32, found: &mut RowWeights<'_>) {
        let Self { plan, rows, order } = self;
        for &head_idx in plan.selection.heads() {
            let weights = found.of_head(head_idx);
            let (keys, entropy) = heaviest(weights, found.key_positions, plan.n_top, order);
            let listed: f64 = keys.iter().map(|&(_, weight)| f64::from(weight)).sum();
            let all: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
            rows.push(Row {
                layer_idx: layer.layer_idx,
                head_idx,
                query_pos,
                keys,
                tail: (all - listed).max(0.0) as f32,
                virtual_sink: found.sinks[head_idx],
                log_sum_exp: found.log_sum_exp[head_idx],
                entropy,
            });
        }
    }
}

/// The heaviest keys, first those, then by position; and the entropy of all.
fn heaviest(
    weights: &[f32],
    key_positions: &[u32],
    n_top: usize,
    order: &mut Vec<u32>,
) -> (Vec<(u32, f32)>, f32) {
    let seen = |idx: &u32| weights[*idx as usize] > 0.0;
    order.clear();
    order.extend((0..weights.len() as u32).filter(seen));
    let of_one = |idx: &u32| {
        let weight = f64::from(weights[*idx as usize]);
        -weight * weight.ln()
    };
    let entropy = order.iter().map(of_one).sum::<f64>() as f32;
    let heavier = |a: &u32, b: &u32| {
        let [of_a, of_b] = [weights[*a as usize], weights[*b as usize]];
        of_b.total_cmp(&of_a).then(a.cmp(b))
    };
    if n_top < order.len() {
        order.select_nth_unstable_by(n_top, heavier);
        order.truncate(n_top);
    }
    order.sort_unstable_by(heavier);
    let key = |&idx: &u32| (key_positions[idx as usize], weights[idx as usize]);
    (order.iter().map(key).collect(), entropy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_come_first_and_ties_in_the_order_of_the_text() {
        let weights = [0.1, 0.4, 0.0, 0.1, 0.4];
        let positions = [0, 1, 2, 3, 4];
        let check = |n_top: usize, expected: &[u32]| {
            let (keys, entropy) = heaviest(&weights, &positions, n_top, &mut Vec::new());
            let found: Vec<u32> = keys.iter().map(|&(pos, _)| pos).collect();
            assert_eq!(found, expected);
            assert!((entropy - 1.193_55).abs() < 1e-5, "{entropy}");
        };
        check(usize::MAX, &[1, 4, 0, 3]);
        check(3, &[1, 4, 0]);
        check(1, &[1]);
        check(0, &[]);
    }
}
