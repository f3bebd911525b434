//! Rows that are all there, in the order of layers, heads and queries.

use std::collections::BTreeSet;

use super::{Export, ExportError};
use crate::record::Row;

/// The same queries in the same heads of each layer, each with all of its keys.
pub(super) struct Grid<'a> {
    /// Numbers of the model, rising.
    pub(super) layers: Vec<usize>,
    pub(super) heads: Vec<usize>,
    /// Positions, rising.
    pub(super) queries: Vec<u32>,
    /// Of the text.
    pub(super) n_keys: usize,
    /// `[n_layers, n_heads, n_queries]` of those above.
    rows: Vec<&'a Row>,
}

/// A tail up to this is none: sums of the same weights in another order differ by rounding, those
/// of a million in f64 by less than 1e-9.
const TAIL_OF_NONE: f32 = 1e-9;

impl<'a> Grid<'a> {
    /// # Errors
    /// No rows, rows that list some of their keys only, places of the grid without a row or with
    /// two.
    pub(super) fn of(export: &Export<'a>) -> Result<Self, ExportError> {
        if export.rows.is_empty() {
            return Err(ExportError::Empty);
        }
        if let Some(row) = export.rows.iter().find(|row| row.tail > TAIL_OF_NONE) {
            let &Row { layer_idx, head_idx, query_pos, tail, .. } = row;
            return Err(ExportError::Thinned { layer_idx, head_idx, query_pos, tail });
        }
        let layers = distinct(export.rows.iter().map(|row| row.layer_idx));
        let heads = distinct(export.rows.iter().map(|row| row.head_idx));
        let queries = distinct(export.rows.iter().map(|row| row.query_pos));
        let place = |row: &Row| (row.layer_idx, row.head_idx, row.query_pos);
        let mut rows: Vec<&Row> = export.rows.iter().collect();
        rows.sort_by_key(|row| place(row));
        if let Some(pair) = rows.windows(2).find(|pair| place(pair[0]) == place(pair[1])) {
            let (layer_idx, head_idx, query_pos) = place(pair[0]);
            return Err(ExportError::Twice { layer_idx, head_idx, query_pos });
        }
        let mut found = rows.iter().map(|row| place(row)).peekable();
        // Stops at the first place that is missing: no more than there are rows.
        for &layer_idx in &layers {
            for &head_idx in &heads {
                for &query_pos in &queries {
                    let place = (layer_idx, head_idx, query_pos);
                    if found.next_if_eq(&place).is_none() {
                        return Err(ExportError::Missing { layer_idx, head_idx, query_pos });
                    }
                }
            }
        }
        Ok(Self { layers, heads, queries, n_keys: export.tokens.ids.len(), rows })
    }

    /// `[n_queries, n_keys]` of a layer and a head, by their index in the grid.
    pub(super) fn head(&self, layer: usize, head: usize) -> impl Iterator<Item = Vec<f32>> + '_ {
        let begin = (layer * self.heads.len() + head) * self.queries.len();
        self.rows[begin..begin + self.queries.len()].iter().map(|row| self.weights(row))
    }

    /// `[n_layers, n_heads, n_queries]` rows of `[n_keys]`.
    pub(super) fn all(&self) -> impl Iterator<Item = Vec<f32>> + '_ {
        self.rows.iter().map(|row| self.weights(row))
    }

    fn weights(&self, row: &Row) -> Vec<f32> {
        let mut weights = vec![0.0; self.n_keys];
        for &(key, weight) in &row.keys {
            weights[key as usize] = weight;
        }
        weights
    }
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.collect::<BTreeSet<T>>().into_iter().collect()
}
