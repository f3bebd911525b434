//! The parallel steps of the loop: matrices times rows, and work on each row.

use kernels::{Kernels, PANEL_ROWS, QuantizedRows, TILE_TOKENS};

use super::workspace::ThreadScratch;
use crate::pool::{ThreadPool, TileMut, Tiled};
use crate::weights::{Arithmetic, Linear, WeightMatrix};

/// Threads, their buffers and the kernels they run.
pub(super) struct Compute {
    pub(super) kernels: &'static Kernels,
    pub(super) pool: ThreadPool,
    pub(super) scratch: Vec<ThreadScratch>,
    pub(super) int8: QuantizedRows,
}

/// Rows handled together by [`Compute::for_each_row`].
const ROWS_PER_TILE: usize = 8;

impl Compute {
    /// `out = weight x + bias` for several matrices that read the same rows.
    ///
    /// # Shapes
    /// - `x`: `[n_tokens, n_in]`
    /// - each `out`: `[n_tokens, n_out]`
    pub(super) fn multiply<const N: usize>(
        &mut self,
        arithmetic: Arithmetic,
        x: &[f32],
        products: [(&Linear, &mut [f32]); N],
    ) {
        let weights = products.iter().map(|(linear, _)| &linear.weight);
        self.quantize_if_needed(arithmetic, x, weights);
        for (linear, out) in products {
            self.matmul(arithmetic, x, &linear.weight, linear.bias.as_deref(), out);
        }
    }

    /// `out = weight x` for one matrix without bias; shapes as in [`Self::multiply`].
    pub(super) fn multiply_matrix(
        &mut self,
        arithmetic: Arithmetic,
        x: &[f32],
        weight: &WeightMatrix,
        out: &mut [f32],
    ) {
        self.quantize_if_needed(arithmetic, x, [weight].into_iter());
        self.matmul(arithmetic, x, weight, None, out);
    }

    fn quantize_if_needed<'a>(
        &mut self,
        arithmetic: Arithmetic,
        x: &[f32],
        mut weights: impl Iterator<Item = &'a WeightMatrix>,
    ) {
        if let Some(weight) = weights.find(|weight| is_integer(arithmetic, weight)) {
            (self.kernels.quantize_rows)(x, weight.n_in, &mut self.int8);
        }
    }

    /// Each tile of the output is a few panels of weight rows times all tokens: weights are read
    /// once, whatever the number of tokens.
    fn matmul(
        &mut self,
        arithmetic: Arithmetic,
        x: &[f32],
        weight: &WeightMatrix,
        bias: Option<&[f32]>,
        out: &mut [f32],
    ) {
        let (kernels, int8) = (self.kernels, &self.int8);
        let n_tokens = x.len() / weight.n_in;
        assert_eq!(out.len(), n_tokens * weight.n_out);
        let form = Form::of(arithmetic, weight, n_tokens);
        // Few tokens: longer runs of weights for a thread, since a panel is soon done.
        let n_panels = if n_tokens < 2 * TILE_TOKENS { 4 } else { 1 };
        let tile_cols = n_panels * PANEL_ROWS;
        let out = Tiled { data: out, n_cols: weight.n_out, tile_rows: n_tokens, tile_cols };
        self.pool.for_each_tile(&mut self.scratch, [out], |scratch, _, [mut out]| {
            for first in (0..out.n_cols()).step_by(PANEL_ROWS) {
                let n = PANEL_ROWS.min(out.n_cols() - first);
                let rows = weight.rows(out.first_col() + first, n);
                let (dtype, n_in) = (weight.dtype, weight.n_in);
                match form {
                    Form::IntPanel => {
                        (kernels.unpack_int)(dtype, rows, n_in, &mut scratch.int_panel)
                    }
                    Form::F32Panel => {
                        (kernels.unpack_f32)(dtype, rows, n_in, &mut scratch.f32_panel)
                    }
                    Form::IntRows | Form::F32Rows => (),
                }
                for tile_idx in 0..n_tokens.div_ceil(TILE_TOKENS) {
                    let first_token = tile_idx * TILE_TOKENS;
                    let n_tile = TILE_TOKENS.min(n_tokens - first_token);
                    let x = &x[first_token * n_in..][..n_tile * n_in];
                    let tile = &mut scratch.tile;
                    match form {
                        Form::IntPanel => {
                            (kernels.int_tile)(&scratch.int_panel, int8, tile_idx, tile)
                        }
                        Form::F32Panel => (kernels.f32_tile)(&scratch.f32_panel, x, tile),
                        Form::IntRows => (kernels.int_rows)(dtype, rows, n_in, int8, 0, tile),
                        Form::F32Rows => (kernels.f32_rows)(dtype, rows, n_in, x, tile),
                    }
                    for (i, result) in tile[..n_tile].iter().enumerate() {
                        let row = &mut out.row_mut(first_token + i)[first..first + n];
                        row.copy_from_slice(&result[..n]);
                    }
                }
            }
            add_bias(&mut out, bias);
        });
    }

    /// Calls `work(rows...)` for each token's row of each matrix: `[n_tokens, n_cols]` each.
    pub(super) fn for_each_row<const N: usize>(
        &mut self,
        matrices: [(&mut [f32], usize); N],
        work: impl Fn(&'static Kernels, usize, [&mut [f32]; N]) + Sync,
    ) {
        let kernels = self.kernels;
        let tiled = matrices.map(|(data, n_cols)| Tiled {
            data,
            n_cols,
            tile_rows: ROWS_PER_TILE,
            tile_cols: n_cols,
        });
        self.pool.for_each_tile(&mut self.scratch, tiled, |_, _, mut tiles| {
            let (first_row, n_rows) = (tiles[0].first_row(), tiles[0].n_rows());
            for row_idx in 0..n_rows {
                let rows = tiles.each_mut().map(|tile| tile.row_mut(row_idx));
                work(kernels, first_row + row_idx, rows);
            }
        });
    }
}

/// How a matrix meets its tokens; all give the same bits.
#[derive(Clone, Copy)]
enum Form {
    /// Unpacked once, met by many tiles of tokens.
    IntPanel,
    F32Panel,
    /// One tile of tokens: multiplied as it is unpacked.
    IntRows,
    F32Rows,
}

impl Form {
    fn of(arithmetic: Arithmetic, weight: &WeightMatrix, n_tokens: usize) -> Self {
        let is_one_tile = n_tokens <= TILE_TOKENS;
        match is_integer(arithmetic, weight) {
            true if is_one_tile => Self::IntRows,
            true => Self::IntPanel,
            false if is_one_tile && !weight.dtype.is_quantized() => Self::F32Rows,
            false => Self::F32Panel,
        }
    }
}

fn is_integer(arithmetic: Arithmetic, weight: &WeightMatrix) -> bool {
    arithmetic == Arithmetic::Int8 && weight.dtype.is_quantized()
}

fn add_bias(out: &mut TileMut<'_>, bias: Option<&[f32]>) {
    let Some(bias) = bias else { return };
    let bias = &bias[out.first_col()..][..out.n_cols()];
    for row_idx in 0..out.n_rows() {
        for (out, bias) in out.row_mut(row_idx).iter_mut().zip(bias) {
            *out += bias;
        }
    }
}
