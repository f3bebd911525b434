//! Matrices that each meet rows of their own: a mixture of experts in one parallel step.

use std::ops::Range;

use kernels::{PANEL_ROWS, QuantizedTile, TILE_TOKENS};

use super::compute::Compute;
use super::product::{Product, Rows, STRIP_PANELS};
use super::workspace::ThreadScratch;
use crate::pool::{TileMut, TileRows, Tiled};
use crate::spec::Activation;
use crate::weights::Linear;

/// Rows of one matrix after the other's.
pub(super) struct Bands<'a> {
    /// Rows of each matrix, ascending, together all.
    pub(super) bands: &'a [Range<usize>],
    /// Room for the rows as int8, a tile holding rows of one band.
    pub(super) tiles: &'a mut [QuantizedTile],
    pub(super) tile_rows: &'a mut Vec<Range<usize>>,
}

impl Bands<'_> {
    /// `out = weight x` for each band with its own matrix.
    ///
    /// # Shapes
    /// - `x`: `[n_rows, n_in]`, `out`: `[n_rows, n_out]`
    pub(super) fn multiply<'a>(
        &mut self,
        compute: &mut Compute,
        x: &[f32],
        out: &mut [f32],
        matrix: impl Fn(usize) -> &'a Linear + Sync,
    ) {
        let products = |band_idx| [Product::from(matrix(band_idx))];
        self.run(compute, x, out, products, |rows, [product], scratch, out| {
            rows.multiply(product, scratch, out);
        });
    }

    /// `out = activation(gate x) * (up x)`, as above.
    pub(super) fn multiply_gated<'a>(
        &mut self,
        compute: &mut Compute,
        x: &[f32],
        activation: Activation,
        out: &mut [f32],
        matrices: impl Fn(usize) -> [&'a Linear; 2] + Sync,
    ) {
        let products = |band_idx| matrices(band_idx).map(Product::from);
        self.run(compute, x, out, products, |rows, products, scratch, out| {
            rows.multiply_gated(products, activation, scratch, out);
        });
    }

    fn run<'a, const N: usize>(
        &mut self,
        compute: &mut Compute,
        x: &[f32],
        out: &mut [f32],
        products: impl Fn(usize) -> [Product<'a>; N] + Sync,
        meet: impl Fn(&Rows<'_>, &[Product<'a>; N], &mut ThreadScratch, &mut TileMut<'_>) + Sync,
    ) {
        let Some(first) = (!self.bands.is_empty()).then(|| products(0)) else { return };
        let (n_in, n_out) = (first[0].weight.n_in, first[0].weight.n_out);
        let arithmetic = compute.prepared.arithmetic;
        self.cut();
        if first.iter().any(|product| product.is_integer(arithmetic)) {
            self.quantize(compute, x, n_in);
        }
        let is_few = self.bands.iter().all(|band| band.len() <= TILE_TOKENS);
        let n_panels = match is_few {
            true => n_out.div_ceil(PANEL_ROWS * compute.pool.n_threads()).clamp(1, STRIP_PANELS),
            false => 1,
        };
        let (kernels, tile_cols) = (compute.kernels, n_panels * PANEL_ROWS);
        let n_across = n_out.div_ceil(tile_cols);
        let (bands, tiles, tile_rows) = (self.bands, &*self.tiles, &*self.tile_rows);
        let out = Tiled { data: out, n_cols: n_out, tile_rows: TileRows::Bands(bands), tile_cols };
        compute.pool.for_each_tile(&mut compute.scratch, [out], |scratch, idx, [mut out]| {
            let band_idx = idx / n_across;
            let band = &bands[band_idx];
            let first_tile = tile_rows.partition_point(|rows| rows.start < band.start);
            let n_tiles = band.len().div_ceil(TILE_TOKENS);
            let rows = Rows {
                kernels,
                arithmetic,
                n_tokens: band.len(),
                x: &x[band.start * n_in..band.end * n_in],
                tiles: &tiles[first_tile..][..n_tiles],
            };
            meet(&rows, &products(band_idx), scratch, &mut out);
        });
    }

    /// Which rows each tile holds, ascending.
    fn cut(&mut self) {
        self.tile_rows.clear();
        for band in self.bands {
            let starts = band.clone().step_by(TILE_TOKENS);
            let rows = starts.map(|start| start..(start + TILE_TOKENS).min(band.end));
            self.tile_rows.extend(rows);
        }
    }

    fn quantize(&mut self, compute: &mut Compute, x: &[f32], n_in: usize) {
        let (kernels, tile_rows) = (compute.kernels, &*self.tile_rows);
        let data = &mut self.tiles[..tile_rows.len()];
        let tiles = Tiled { data, n_cols: 1, tile_rows: TileRows::Even(1), tile_cols: 1 };
        compute.pool.for_each_tile(&mut compute.scratch, [tiles], |_, idx, [mut tile]| {
            let Range { start, end } = tile_rows[idx];
            (kernels.quantize)(&x[start * n_in..end * n_in], n_in, &mut tile.row_mut(0)[0]);
        });
    }
}
