//! Several watchers of one text.

use std::ops::Range;

use engine::Watcher;
use model::Site;
use model::probe::{LayerAt, RowWeights, Statistics};
use model::shape::Rows;

/// Each sees what it wants.
pub struct All<A, B>(pub A, pub B);

impl<A: Watcher, B: Watcher> Watcher for All<A, B> {
    fn first_pos(&self) -> usize {
        self.0.first_pos().min(self.1.first_pos())
    }

    fn restart(&mut self) {
        self.0.restart();
        self.1.restart();
    }

    fn wants_statistics(&self, layer: LayerAt) -> bool {
        self.0.wants_statistics(layer) || self.1.wants_statistics(layer)
    }

    fn wants_weights(&self, layer: LayerAt, query_pos: u32) -> bool {
        self.0.wants_weights(layer, query_pos) || self.1.wants_weights(layer, query_pos)
    }

    fn statistics(
        &mut self,
        layer: LayerAt,
        rows: Range<usize>,
        first_pos: u32,
        found: &Statistics<'_>,
    ) {
        if self.0.wants_statistics(layer) {
            self.0.statistics(layer, rows.clone(), first_pos, found);
        }
        if self.1.wants_statistics(layer) {
            self.1.statistics(layer, rows, first_pos, found);
        }
    }

    fn weights(&mut self, layer: LayerAt, query_pos: u32, found: &mut RowWeights<'_>) {
        if self.0.wants_weights(layer, query_pos) {
            self.0.weights(layer, query_pos, found);
        }
        if self.1.wants_weights(layer, query_pos) {
            self.1.weights(layer, query_pos, found);
        }
    }

    fn activation(&mut self, site: Site, first_pos: u32, rows: Rows<'_>) {
        self.0.activation(site, first_pos, rows);
        self.1.activation(site, first_pos, rows);
    }
}
