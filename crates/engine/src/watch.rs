//! Watching the attention of single requests while others are computed beside them.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::batch::KeysOf;
use model::probe::{LayerAt, Probe, RowWeights, RowsAt, Statistics};
use model::shape::Rows;
use model::{Batch, Site};

/// What is shown of one request's text, row by row, in the order of the text. Row `i` is that of
/// token `i`: it decides the token after it.
pub trait Watcher: Send {
    /// The first row that it wants; those before it may come from the cache, unseen.
    fn first_pos(&self) -> usize;

    /// All rows are shown once more, from the first one wanted on: their keys had to make room for
    /// others.
    fn restart(&mut self);

    /// Whether [`Watcher::statistics`] is to be called.
    fn wants_statistics(&self, _layer: LayerAt) -> bool {
        false
    }

    /// Whether [`Watcher::weights`] is to be called.
    fn wants_weights(&self, _layer: LayerAt, _query_pos: u32) -> bool {
        false
    }

    /// `rows`: those of `found` that are of this text; the first of them is at `first_pos`.
    fn statistics(
        &mut self,
        _layer: LayerAt,
        _rows: Range<usize>,
        _first_pos: u32,
        _found: &Statistics<'_>,
    ) {
    }

    fn weights(&mut self, _layer: LayerAt, _query_pos: u32, _found: &mut RowWeights<'_>) {}

    /// `rows`: `[n, width]`, of the tokens from `first_pos` on.
    fn activation(&mut self, _site: Site, _first_pos: u32, _rows: Rows<'_>) {}
}

/// A watcher that its owner and the engine hold together.
#[derive(Clone)]
pub struct Watch(Arc<Mutex<dyn Watcher>>);

impl Watch {
    pub fn new(watcher: Arc<Mutex<dyn Watcher>>) -> Self {
        Self(watcher)
    }

    /// A watcher whose owner panicked holding it is still one.
    pub(crate) fn lock(&self) -> MutexGuard<'_, dyn Watcher + 'static> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// Those who watch a batch.
pub struct Watchers<'a> {
    pub(crate) of: Vec<Watched<'a>>,
}

/// Who watches which rows of a batch.
pub(crate) struct Watched<'a> {
    pub(crate) rows: Range<usize>,
    pub(crate) first_pos: u32,
    pub(crate) watcher: MutexGuard<'a, dyn Watcher + 'static>,
}

impl<'a> Watchers<'a> {
    /// `watch(i)` is the watch of the batch's sequence `i`.
    pub(crate) fn of_batch(batch: &Batch, watch: impl Fn(usize) -> Option<&'a Watch>) -> Self {
        let of = batch.sequences.iter().enumerate().filter_map(|(sequence_idx, sequence)| {
            let watcher = watch(sequence_idx)?.lock();
            let rows = sequence.rows.clone();
            Some(Watched { first_pos: batch.positions[rows.start], rows, watcher })
        });
        Self { of: of.collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    fn find(&self, token_idx: usize) -> Option<usize> {
        self.of.iter().position(|watched| watched.rows.contains(&token_idx))
    }
}

impl Probe for Watchers<'_> {
    fn wants_statistics(&self, layer: LayerAt) -> bool {
        self.of.iter().any(|watched| watched.watcher.wants_statistics(layer))
    }

    fn wants_weights(&self, at: RowsAt) -> bool {
        let watched = self.find(at.token_idx).map(|idx| &self.of[idx]);
        watched.is_some_and(|watched| watched.watcher.wants_weights(at.layer, at.query_pos))
    }

    fn statistics(&mut self, layer: LayerAt, found: &Statistics<'_>) {
        for Watched { rows, first_pos, watcher } in &mut self.of {
            if watcher.wants_statistics(layer) {
                watcher.statistics(layer, rows.clone(), *first_pos, found);
            }
        }
    }

    fn weights(&mut self, at: RowsAt, found: &mut RowWeights<'_>) {
        let idx = self.find(at.token_idx).expect("somebody wanted them");
        self.of[idx].watcher.weights(at.layer, at.query_pos, found);
    }

    fn activation(&mut self, site: Site, rows: Rows<'_>) {
        if site == Site::OutputNorm {
            // Its rows are not those of the batch.
            return;
        }
        for Watched { rows: own, first_pos, watcher } in &mut self.of {
            watcher.activation(site, *first_pos, rows.part(own.clone()));
        }
    }
}

/// The attention of a text to itself in a layer.
pub fn own_attention(layer_idx: usize) -> LayerAt {
    LayerAt { layer_idx, keys_of: KeysOf::Own }
}
