//! One thread's share of a matrix product: some rows of the weights times all tokens.

use kernels::table::Tile;
use kernels::{Kernels, PANEL_ROWS, QuantizedTile, TILE_TOKENS};

use super::workspace::{Panels, ThreadScratch};
use crate::pool::{TileMut, TileRows, Tiled};
use crate::spec::{Activation, PlainActivation};
use crate::weights::{Arithmetic, Linear, WeightMatrix};

/// Most panels of weight rows in one strip.
pub(super) const STRIP_PANELS: usize = 16;
/// Strips that each thread has of a matrix, at the least: so many that one who finds its neighbour
/// late can take some over.
const STRIPS_PER_THREAD: usize = 8;

#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    pub(super) weight: &'a WeightMatrix,
    pub(super) bias: Option<&'a [f32]>,
    /// What results go through, bias and all.
    pub(super) activation: Option<PlainActivation>,
}

impl<'a> From<&'a Linear> for Product<'a> {
    fn from(linear: &'a Linear) -> Self {
        Self { weight: &linear.weight, bias: linear.bias.as_deref(), activation: None }
    }
}

/// The tokens of a product, ready to multiply.
pub(super) struct Rows<'a> {
    pub(super) kernels: &'static Kernels,
    pub(super) arithmetic: Arithmetic,
    pub(super) n_tokens: usize,
    /// `[n_tokens, n_in]`; not read by integer products.
    pub(super) x: &'a [f32],
    /// `[n_tokens / TILE_TOKENS]`; not read by f32 products.
    pub(super) tiles: &'a [QuantizedTile],
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

impl Product<'_> {
    pub(super) fn is_integer(&self, arithmetic: Arithmetic) -> bool {
        arithmetic == Arithmetic::Int8 && self.weight.dtype.is_quantized()
    }
}

impl<'a> Rows<'a> {
    /// Cuts an output into strips of whole panels: weights are read once, whatever the number of
    /// tokens.
    pub(super) fn tiled<'b>(
        &self,
        data: &'b mut [f32],
        n_cols: usize,
        n_threads: usize,
    ) -> Tiled<'b> {
        assert_eq!(data.len(), self.n_tokens * n_cols);
        let n_panels = match self.is_one_tile() {
            // Longer strips, since a panel is soon done.
            true => n_cols.div_ceil(PANEL_ROWS * n_threads * STRIPS_PER_THREAD),
            false => 1,
        };
        let tile_cols = n_panels.clamp(1, STRIP_PANELS) * PANEL_ROWS;
        Tiled { data, n_cols, tile_rows: TileRows::Even(self.n_tokens.max(1)), tile_cols }
    }

    fn is_one_tile(&self) -> bool {
        self.n_tokens <= TILE_TOKENS
    }

    fn form(&self, product: &Product<'_>) -> Form {
        match product.is_integer(self.arithmetic) {
            true if self.is_one_tile() => Form::IntRows,
            true => Form::IntPanel,
            false if self.is_one_tile() && !product.weight.dtype.is_quantized() => Form::F32Rows,
            false => Form::F32Panel,
        }
    }

    /// The columns of `out`.
    pub(super) fn multiply(
        &self,
        product: &Product<'_>,
        scratch: &mut ThreadScratch,
        out: &mut TileMut<'_>,
    ) {
        let ThreadScratch { panels, results: [results, _], .. } = scratch;
        for (first, n) in self.panels(out) {
            let results = self.strip(product, (out.first_col() + first, n), panels, results);
            self.store(results, first, n, out);
        }
    }

    /// The columns of `out`, of two matrices joined by their activation.
    pub(super) fn multiply_gated(
        &self,
        [gate, up]: &[Product<'_>; 2],
        activation: Activation,
        scratch: &mut ThreadScratch,
        out: &mut TileMut<'_>,
    ) {
        let join = |gate: &mut [f32], up: &[f32]| match activation {
            Activation::Silu => (self.kernels.silu_mul)(gate, up),
            Activation::ClampedSilu => (self.kernels.clamped_silu_mul)(gate, up),
            Activation::Gelu => {
                (self.kernels.gelu)(gate);
                gate.iter_mut().zip(up).for_each(|(gate, up)| *gate *= up);
            }
            Activation::GeluTanh => (self.kernels.gelu_tanh_mul)(gate, up),
        };
        let ThreadScratch { panels, results: [gates, ups], .. } = scratch;
        for (first, n) in self.panels(out) {
            let rows = (out.first_col() + first, n);
            let gates = self.strip(gate, rows, panels, gates);
            let ups = self.strip(up, rows, panels, ups);
            for (i, (gate, up)) in gates.iter_mut().zip(ups).enumerate() {
                let n_tokens = self.tile_tokens(i);
                join(gate[..n_tokens].as_flattened_mut(), up[..n_tokens].as_flattened());
            }
            self.store(gates, first, n, out);
        }
    }

    /// What is computed in one call of a kernel: (first column of `out`, number of columns).
    fn panels(&self, out: &TileMut<'_>) -> impl Iterator<Item = (usize, usize)> + use<> {
        let n_cols = out.n_cols();
        let step = if self.is_one_tile() { STRIP_PANELS * PANEL_ROWS } else { PANEL_ROWS };
        (0..n_cols).step_by(step).map(move |first| (first, step.min(n_cols - first)))
    }

    /// Tokens of result tile `i`: tiles are panels of one tile of tokens, or tiles of tokens of
    /// one panel.
    fn tile_tokens(&self, i: usize) -> usize {
        let first_token = if self.is_one_tile() { 0 } else { i * TILE_TOKENS };
        (self.n_tokens - first_token).min(TILE_TOKENS)
    }

    /// Products of weight rows `first..first + n`, scaled, with the bias added, through the
    /// activation.
    fn strip<'b>(
        &self,
        product: &Product<'_>,
        (first, n): (usize, usize),
        panels: &mut Panels,
        results: &'b mut [Tile],
    ) -> &'b mut [Tile] {
        let weight = product.weight;
        let (dtype, n_in, rows) = (weight.dtype, weight.n_in, weight.rows(first, n));
        let n_results = match self.is_one_tile() {
            true => n.div_ceil(PANEL_ROWS),
            false => self.n_tokens.div_ceil(TILE_TOKENS),
        };
        let results = &mut results[..n_results];
        let kernels = self.kernels;
        match self.form(product) {
            Form::IntPanel => {
                (kernels.unpack_int)(dtype, rows, n_in, &mut panels.int);
                (kernels.int_panel)(&panels.int, self.tiles, results);
            }
            Form::IntRows => (kernels.int_rows)(dtype, rows, n_in, &self.tiles[0], results),
            Form::F32Rows => (kernels.f32_rows)(dtype, rows, n_in, self.x, results),
            Form::F32Panel => {
                let panel_rows = rows.chunks(PANEL_ROWS * rows.len() / n);
                for (i, rows) in panel_rows.enumerate() {
                    (kernels.unpack_f32)(dtype, rows, n_in, &mut panels.f32);
                    let results = match self.is_one_tile() {
                        true => &mut results[i..=i],
                        false => &mut *results,
                    };
                    (kernels.f32_panel)(&panels.f32, self.x, results);
                }
            }
        }
        if let Some(scale) = weight.scale {
            results.as_flattened_mut().as_flattened_mut().iter_mut().for_each(|y| *y *= scale);
        }
        if let Some(bias) = product.bias {
            self.add_bias(&bias[first..first + n], results);
        }
        if let Some(activation) = product.activation {
            self.activate(activation, results);
        }
        results
    }

    /// `bias`: of the strip's columns.
    fn add_bias(&self, bias: &[f32], results: &mut [Tile]) {
        for (i, tile) in results.iter_mut().enumerate() {
            let bias = if self.is_one_tile() { &bias[i * PANEL_ROWS..] } else { bias };
            for row in tile {
                row.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
            }
        }
    }

    fn activate(&self, activation: PlainActivation, results: &mut [Tile]) {
        let activate = match activation {
            PlainActivation::Gelu => self.kernels.gelu,
            PlainActivation::GeluTanh => self.kernels.gelu_tanh,
            PlainActivation::Relu => self.kernels.relu,
            PlainActivation::ReluSquared => self.kernels.relu_squared,
        };
        for (i, tile) in results.iter_mut().enumerate() {
            activate(tile[..self.tile_tokens(i)].as_flattened_mut());
        }
    }

    /// Puts a strip where it belongs: columns `first..first + n` of `out`.
    fn store(&self, results: &[Tile], first: usize, n: usize, out: &mut TileMut<'_>) {
        for token in 0..self.n_tokens {
            let out = &mut out.row_mut(token)[first..first + n];
            let (panels, rest) = out.as_chunks_mut::<PANEL_ROWS>();
            let row = |panel_idx: usize| match self.is_one_tile() {
                true => &results[panel_idx][token],
                false => &results[token / TILE_TOKENS][token % TILE_TOKENS],
            };
            for (panel_idx, panel) in panels.iter_mut().enumerate() {
                *panel = *row(panel_idx);
            }
            if !rest.is_empty() {
                rest.copy_from_slice(&row(panels.len())[..rest.len()]);
            }
        }
    }
}
