//! Queries of a tile, in the form that the keys ask for.

use kernels::table::Tile;
use kernels::{ACT_GROUP, IntPanel, KEY_BLOCK, Kernels, PANEL_ROWS, QuantizedTile, TILE_TOKENS};

use crate::kv::{IntKeys, KEY_PANELS, KeyForm};

/// One thread's buffers. `R` is the most rows of a tile.
pub(super) struct QueryScratch {
    head_dim: usize,
    /// `[R, head_dim]`, scaled
    pub(super) q: Vec<f32>,
    /// `[TILE_TOKENS, n_in]`: rows with zeros up to the columns of a panel
    padded: Vec<f32>,
    /// `[R / TILE_TOKENS]`
    tiles: Vec<QuantizedTile>,
    /// `[R / TILE_TOKENS]`: scores with 16 keys
    results: Vec<Tile>,
    panel: IntPanel,
    /// `[KEY_BLOCK, n_in / ACT_GROUP]`, panel after panel
    key_scales: Vec<f32>,
    /// `[head_dim]`
    key_mean: Vec<f32>,
}

impl QueryScratch {
    pub(super) fn new(n_rows: usize, head_dim: usize) -> Self {
        let (n_tiles, n_in) = (n_rows.div_ceil(TILE_TOKENS), head_dim.next_multiple_of(ACT_GROUP));
        Self {
            head_dim,
            q: vec![0.0; n_rows * head_dim],
            padded: vec![0.0; TILE_TOKENS * n_in],
            tiles: (0..n_tiles).map(|_| QuantizedTile::with_capacity(n_in)).collect(),
            results: vec![[[0.0; PANEL_ROWS]; TILE_TOKENS]; n_tiles],
            panel: IntPanel::with_capacity(n_in),
            key_scales: vec![0.0; KEY_BLOCK * n_in / ACT_GROUP],
            key_mean: vec![0.0; head_dim],
        }
    }

    /// Bytes that [`Self::new`] allocates.
    pub(super) fn n_bytes(n_rows: usize, head_dim: usize) -> usize {
        let (n_tiles, n_in) = (n_rows.div_ceil(TILE_TOKENS), head_dim.next_multiple_of(ACT_GROUP));
        let n_floats = (n_rows + 1) * head_dim + TILE_TOKENS * n_in + KEY_BLOCK * n_in / ACT_GROUP;
        let tile_bytes =
            size_of::<QuantizedTile>() + QuantizedTile::n_bytes(n_in) + size_of::<Tile>();
        n_floats * size_of::<f32>() + n_tiles * tile_bytes + IntPanel::n_bytes(n_in)
    }

    /// Takes over a query: `[head_dim]`.
    pub(super) fn set(&mut self, row_idx: usize, q: &[f32], scale: f32) {
        let out = &mut self.q[row_idx * self.head_dim..][..self.head_dim];
        for (out, q) in out.iter_mut().zip(q) {
            *out = q * scale;
        }
    }

    /// Quantises the queries, if the keys are integers.
    pub(super) fn finish(&mut self, kernels: &Kernels, n_rows: usize, form: KeyForm) {
        if form == KeyForm::Floats {
            return;
        }
        let d = self.head_dim;
        let n_in = self.padded.len() / TILE_TOKENS;
        let rows = self.q[..n_rows * d].chunks(TILE_TOKENS * d);
        for (rows, tile) in rows.zip(&mut self.tiles) {
            for (row, padded) in rows.chunks_exact(d).zip(self.padded.chunks_exact_mut(n_in)) {
                padded[..d].copy_from_slice(row);
            }
            // Four rows take less time than two or three, which are multiplied one by one; what is
            // left in the others does no harm.
            let n_rows = if rows.len() == d { 1 } else { TILE_TOKENS };
            (kernels.quantize)(&self.padded[..n_rows * n_in], n_in, tile);
        }
    }

    /// Scores with keys that are integers, while what is read `next` is asked for; `scores`:
    /// `[n_rows, KEY_BLOCK]`.
    pub(super) fn multiply(
        &mut self,
        kernels: &Kernels,
        (keys, next): (&IntKeys<'_>, &[u8]),
        scores: &mut [f32],
    ) {
        let n_rows = scores.len() / KEY_BLOCK;
        let n_tiles = n_rows.div_ceil(TILE_TOKENS);
        let results = &mut self.results[..n_tiles];
        keys.read_scales(kernels, &mut self.key_scales);
        for panel_idx in 0..KEY_PANELS {
            let part = |idx: usize| idx * next.len() / KEY_PANELS;
            (kernels.prefetch)(&next[part(panel_idx)..part(panel_idx + 1)]);
            keys.read(panel_idx, &self.key_scales, &mut self.panel);
            (kernels.int_panel)(&self.panel, &self.tiles[..n_tiles], results);
            let rows = scores.chunks_exact_mut(KEY_BLOCK).zip(results.as_flattened());
            for (scores, result) in rows {
                scores[panel_idx * PANEL_ROWS..][..PANEL_ROWS].copy_from_slice(result);
            }
        }
        keys.read_mean(kernels, &mut self.key_mean);
        (kernels.add_dots)(&self.q[..n_rows * self.head_dim], &self.key_mean, scores);
    }
}
