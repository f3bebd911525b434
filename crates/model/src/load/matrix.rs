//! Matrices of a file on their way to a model: rows of joined ones, and columns as rows.

use std::ops::Range;

use format::Bytes;
use half::f16;
use kernels::{DType, block};

use crate::weights::WeightMatrix;

/// A matrix as `[n_out, n_in]`, of which some rows may be wanted.
pub(super) struct Matrix {
    pub(super) name: String,
    pub(super) dtype: DType,
    pub(super) shape: [usize; 2],
    pub(super) scale: Option<f32>,
    pub(super) bytes: Bytes,
}

/// Rows of a joined matrix: runs of so many, `stride` rows apart.
#[derive(Clone, Copy)]
pub(super) struct RowRuns {
    pub(super) first: usize,
    pub(super) len: usize,
    pub(super) stride: usize,
    pub(super) n_runs: usize,
}

impl RowRuns {
    pub(super) fn one(rows: Range<usize>) -> Self {
        Self { first: rows.start, len: rows.len(), stride: 0, n_runs: 1 }
    }

    fn iter(self) -> impl Iterator<Item = Range<usize>> {
        let starts = (0..self.n_runs).map(move |run| self.first + run * self.stride);
        starts.map(move |start| start..start + self.len)
    }

    /// Of a vector with a value a row.
    pub(super) fn of_vector(self, values: &[f32]) -> Vec<f32> {
        self.iter().flat_map(|rows| &values[rows]).copied().collect()
    }
}

impl Matrix {
    pub(super) fn whole(self) -> WeightMatrix {
        let Self { name, dtype, shape, scale, bytes } = self;
        WeightMatrix::new(name, dtype, shape, bytes).scaled(scale)
    }

    /// Its columns as rows. Floats stay what they are; what is quantised, with scales that belong
    /// to rows, becomes f16, which rounds it by a 2048th at most.
    pub(super) fn transposed(&self) -> Self {
        let [n_rows, n_cols] = self.shape;
        let (dtype, bytes) = match self.dtype.is_quantized() {
            false => (self.dtype, transposed(&self.bytes, self.shape)),
            true => {
                let mut decoded = vec![0.0; n_cols];
                let mut halves = vec![0u16; n_rows * n_cols];
                let row_bytes = self.bytes.len() / n_rows.max(1);
                let rows = self.bytes.chunks_exact(row_bytes.max(1)).take(n_rows);
                for (row_idx, row) in rows.enumerate() {
                    block::decode_row(self.dtype, row, &mut decoded);
                    let column = halves[row_idx..].iter_mut().step_by(n_rows);
                    column.zip(&decoded).for_each(|(half, &x)| *half = f16::from_f32(x).to_bits());
                }
                (DType::F16, bytemuck::cast_slice(&halves).to_vec())
            }
        };
        let (name, shape) = (self.name.clone(), [n_cols, n_rows]);
        Self { name, dtype, shape, scale: self.scale, bytes: bytes.into() }
    }

    /// Some of its rows.
    pub(super) fn run(&self, rows: Range<usize>) -> Self {
        let row_bytes = self.bytes.len() / self.shape[0].max(1);
        let shape = [rows.len(), self.shape[1]];
        let bytes = self.bytes.slice(rows.start * row_bytes..rows.end * row_bytes);
        let (name, dtype, scale) = (self.name.clone(), self.dtype, self.scale);
        Self { name, dtype, shape, scale, bytes }
    }

    /// Rows one after the other: a part of the file where they are in it so, else a copy.
    pub(super) fn rows(&self, runs: RowRuns) -> WeightMatrix {
        let [n_rows, n_in] = self.shape;
        let row_bytes = self.bytes.len() / n_rows.max(1);
        let mut parts = runs.iter().map(|rows| rows.start * row_bytes..rows.end * row_bytes);
        let bytes = match (runs.n_runs, parts.next()) {
            (1, Some(part)) => self.bytes.slice(part),
            (_, first) => {
                let parts = first.into_iter().chain(parts).map(|part| &self.bytes[part]);
                Bytes::from(parts.collect::<Vec<_>>().concat())
            }
        };
        let shape = [runs.len * runs.n_runs, n_in];
        Self { name: self.name.clone(), shape, bytes, ..*self }.whole()
    }
}

/// `[n_cols, n_rows]` of what is stored as `[n_rows, n_cols]`.
pub(super) fn transposed(bytes: &[u8], [n_rows, n_cols]: [usize; 2]) -> Vec<u8> {
    let size = bytes.len() / (n_rows * n_cols).max(1);
    let mut out = Vec::with_capacity(bytes.len());
    for col in 0..n_cols {
        for row in 0..n_rows {
            out.extend_from_slice(&bytes[(row * n_cols + col) * size..][..size]);
        }
    }
    out
}
