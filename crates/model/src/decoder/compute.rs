//! The parallel steps of the loop: matrices times rows, and work on each row.

use kernels::{Kernels, QuantizedTile, TILE_TOKENS};

use super::product::{Product, Rows};
use super::workspace::ThreadScratch;
use crate::pool::{ThreadPool, TileMut, TileRows, Tiled};
use crate::spec::{Activation, PlainActivation};
use crate::weights::{Arithmetic, Linear, NormWeights, WeightMatrix};

/// Threads, their buffers and the kernels they run.
pub(super) struct Compute {
    pub(super) kernels: &'static Kernels,
    pub(super) pool: ThreadPool,
    pub(super) scratch: Vec<ThreadScratch>,
    pub(super) prepared: Prepared,
}

/// What is multiplied next.
pub(super) struct Prepared {
    pub(super) arithmetic: Arithmetic,
    /// As int8: `[n_tokens / TILE_TOKENS]`.
    pub(super) tiles: Vec<QuantizedTile>,
    /// As f32, where it is normed first: `[n_tokens, n_in]`.
    pub(super) normed: Vec<f32>,
}

/// What matrices are multiplied with: rows, or their norms.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    /// `[n_tokens, n_in]`
    pub(super) x: &'a [f32],
    pub(super) norm: Option<Norm<'a>>,
}

#[derive(Clone, Copy)]
pub(super) struct Norm<'a> {
    pub(super) weights: &'a NormWeights,
    pub(super) eps: f32,
}

impl Norm<'_> {
    /// Norms one row.
    pub(super) fn apply(&self, kernels: &Kernels, x: &[f32], out: &mut [f32]) {
        self.weights.kernel(kernels)(x, &self.weights.gain, self.eps, out);
        if let Some(bias) = &self.weights.bias {
            (kernels.add)(out, bias);
        }
    }
}

/// Rows handled together by [`Compute::for_each_row`].
const ROWS_PER_TILE: usize = 8;
/// Int8 tiles that a thread fills before it asks for more.
const TILES_AT_ONCE: usize = 2;

impl Compute {
    /// `out = weight input + bias` for several matrices that read the same rows, in one go.
    ///
    /// # Shapes
    /// - each `out`: `[n_tokens, n_out]`
    pub(super) fn multiply<const N: usize>(
        &mut self,
        input: Input<'_>,
        products: [(&Linear, &mut [f32]); N],
    ) {
        let factors = products.each_ref().map(|(linear, _)| Product::from(*linear));
        let outs = products.map(|(_, out)| out);
        self.multiply_all(input, factors, outs);
    }

    /// `out = weight x` for one matrix without bias; shapes as in [`Self::multiply`].
    pub(super) fn multiply_matrix(&mut self, x: &[f32], weight: &WeightMatrix, out: &mut [f32]) {
        let product = Product { weight, bias: None, activation: None };
        self.multiply_all(Input { x, norm: None }, [product], [out]);
    }

    fn multiply_all<const N: usize>(
        &mut self,
        input: Input<'_>,
        products: [Product<'_>; N],
        outs: [&mut [f32]; N],
    ) {
        let n_threads = self.pool.n_threads();
        self.prepare(input, &products);
        let rows = self.prepared.rows(self.kernels, input, &products);
        let mut products_of = products.iter();
        let outs = outs.map(|data| {
            let n_cols = products_of.next().expect("a product an output").weight.n_out;
            rows.tiled(data, n_cols, n_threads)
        });
        self.pool.for_every_tile(&mut self.scratch, outs, |scratch, i, mut out| {
            rows.multiply(&products[i], scratch, &mut out);
        });
    }

    /// `out = activation(gate input) * (up input)`, both matrices `[d_ff, n_in]`.
    ///
    /// # Shapes
    /// - `out`: `[n_tokens, d_ff]`
    pub(super) fn multiply_gated(
        &mut self,
        input: Input<'_>,
        [gate, up]: [&Linear; 2],
        activation: Activation,
        out: &mut [f32],
    ) {
        let n_threads = self.pool.n_threads();
        let products = [Product::from(gate), Product::from(up)];
        self.prepare(input, &products);
        let rows = self.prepared.rows(self.kernels, input, &products);
        let out = rows.tiled(out, gate.weight.n_out, n_threads);
        self.pool.for_each_tile(&mut self.scratch, [out], |scratch, _, [mut out]| {
            rows.multiply_gated(&products, activation, scratch, &mut out);
        });
    }

    /// `out = activation(up input)`; shapes as above.
    pub(super) fn multiply_plain(
        &mut self,
        input: Input<'_>,
        up: &Linear,
        activation: PlainActivation,
        out: &mut [f32],
    ) {
        let product = Product { activation: Some(activation), ..Product::from(up) };
        self.multiply_all(input, [product], [out]);
    }

    /// Makes the forms of the input that the products need: int8, f32 or both.
    fn prepare(&mut self, input: Input<'_>, products: &[Product<'_>]) {
        let n_in = products[0].weight.n_in;
        assert!(products.iter().all(|product| product.weight.n_in == n_in));
        let is_integer = |product: &Product<'_>| product.is_integer(self.prepared.arithmetic);
        let (needs_int, needs_f32) =
            (products.iter().any(is_integer), !products.iter().all(is_integer));
        let Input { x, norm } = input;
        if let (Some(norm), true) = (norm, needs_f32) {
            let mut normed = std::mem::take(&mut self.prepared.normed);
            self.for_each_row(
                [(&mut normed[..x.len()], n_in)],
                |kernels, _, token_idx, [normed]| {
                    norm.apply(kernels, &x[token_idx * n_in..][..n_in], normed);
                },
            );
            if needs_int {
                self.quantize(Input { x: &normed[..x.len()], norm: None }, n_in);
            }
            self.prepared.normed = normed;
        } else if needs_int {
            self.quantize(input, n_in);
        }
    }

    /// Norms where asked for, and quantises: tile after tile.
    fn quantize(&mut self, Input { x, norm }: Input<'_>, n_in: usize) {
        let kernels = self.kernels;
        let tile_len = TILE_TOKENS * n_in;
        let data = &mut self.prepared.tiles[..x.len().div_ceil(tile_len)];
        let tiles =
            Tiled { data, n_cols: 1, tile_rows: TileRows::Even(TILES_AT_ONCE), tile_cols: 1 };
        self.pool.for_each_tile(&mut self.scratch, [tiles], |scratch, _, [mut tiles]| {
            for i in 0..tiles.n_rows() {
                let x = x.chunks(tile_len).nth(tiles.first_row() + i).expect("a tile of rows");
                let tile = &mut tiles.row_mut(i)[0];
                let Some(norm) = norm else {
                    (kernels.quantize)(x, n_in, tile);
                    continue;
                };
                let normed = &mut scratch.normed[..x.len()];
                for (x, normed) in x.chunks_exact(n_in).zip(normed.chunks_exact_mut(n_in)) {
                    norm.apply(kernels, x, normed);
                }
                (kernels.quantize)(normed, n_in, tile);
            }
        });
    }

    /// Calls `work(kernels, spare, token_idx, rows)` for each token's row of each matrix:
    /// `[n_tokens, n_cols]` each. `spare` has room for a row of any matrix.
    pub(super) fn for_each_row<const N: usize>(
        &mut self,
        matrices: [(&mut [f32], usize); N],
        work: impl Fn(&'static Kernels, &mut [f32], usize, [&mut [f32]; N]) + Sync,
    ) {
        let kernels = self.kernels;
        let tiled = matrices.map(|(data, n_cols)| Tiled {
            data,
            n_cols,
            tile_rows: TileRows::Even(ROWS_PER_TILE),
            tile_cols: n_cols,
        });
        self.pool.for_each_tile(
            &mut self.scratch,
            tiled,
            |scratch, _, mut tiles: [TileMut<'_>; N]| {
                let (first_row, n_rows) = (tiles[0].first_row(), tiles[0].n_rows());
                for row_idx in 0..n_rows {
                    let rows = tiles.each_mut().map(|tile| tile.row_mut(row_idx));
                    work(kernels, &mut scratch.normed, first_row + row_idx, rows);
                }
            },
        );
    }
}

impl Prepared {
    /// The input, prepared.
    fn rows<'a>(
        &'a self,
        kernels: &'static Kernels,
        input: Input<'a>,
        products: &[Product<'_>],
    ) -> Rows<'a> {
        let n_in = products[0].weight.n_in;
        let x = if input.norm.is_some() { &self.normed[..input.x.len()] } else { input.x };
        let n_tokens = x.len() / n_in;
        let tiles = &self.tiles[..n_tokens.div_ceil(TILE_TOKENS)];
        Rows { kernels, arithmetic: self.arithmetic, n_tokens, x, tiles }
    }
}
