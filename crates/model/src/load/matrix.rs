//! Matrices of a file on their way to a model: rows of joined ones, and columns as rows.

use std::ops::Range;

use format::Bytes;
use half::f16;
use kernels::{DType, block};

use super::Pages;
use super::quantize::fill_rows;
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
            false => (self.dtype, transposed(&self.bytes, &self.shape)),
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

    /// Rows one after the other: a part of the file where they are in it so, else a copy, which
    /// holds nothing where no matrix is to be read.
    pub(super) fn rows(&self, runs: RowRuns, pages: Pages) -> WeightMatrix {
        let [n_rows, n_in] = self.shape;
        let row_bytes = self.bytes.len() / n_rows.max(1);
        let part = |rows: Range<usize>| rows.start * row_bytes..rows.end * row_bytes;
        let n_out = runs.len * runs.n_runs;
        let bytes = match (runs.n_runs, pages) {
            (1, _) => self.bytes.slice(part(runs.first..runs.first + runs.len)),
            (_, Pages::Leave) => vec![0; n_out * row_bytes].into(),
            (_, Pages::Touch) => {
                let parts = runs.iter().map(|rows| &self.bytes[part(rows)]);
                parts.collect::<Vec<_>>().concat().into()
            }
        };
        Self { name: self.name.clone(), shape: [n_out, n_in], bytes, ..*self }.whole()
    }
}

/// Matrices of floats by their columns: `[n, n_cols, n_rows]` of what is stored as
/// `[n, n_rows, n_cols]`, `n` left out where it is one.
pub(super) fn transposed(bytes: &[u8], stored: &[usize]) -> Vec<u8> {
    let n_values: usize = stored.iter().product();
    match bytes.len() / n_values.max(1) {
        2 => transposed_values::<2>(bytes, stored),
        4 => transposed_values::<4>(bytes, stored),
        size => unreachable!("floats of {size} bytes"),
    }
}

fn transposed_values<const SIZE: usize>(bytes: &[u8], stored: &[usize]) -> Vec<u8> {
    let (values, _) = bytes.as_chunks::<SIZE>();
    let &[.., n_rows, n_cols] = stored else { unreachable!("matrices") };
    let mut out = vec![0; bytes.len()];
    fill_rows(&mut out, n_rows * SIZE, |rows, out| {
        for (row_idx, out) in rows.zip(out.chunks_exact_mut(n_rows * SIZE)) {
            let (matrix_idx, col_idx) = (row_idx / n_cols, row_idx % n_cols);
            let column = values[matrix_idx * n_rows * n_cols + col_idx..].iter().step_by(n_cols);
            let (out, _) = out.as_chunks_mut::<SIZE>();
            out.iter_mut().zip(column).for_each(|(out, value)| *out = *value);
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_become_rows() {
        // Wider than what a thread takes at a time, and no multiple of it.
        for [n, n_rows, n_cols] in [[1, 1, 1], [3, 5, 70], [2, 40, 33]] {
            let at = |i: usize, row: usize, col: usize| ((i * n_rows + row) * n_cols + col) as u32;
            let stored: Vec<u32> = (0..(n * n_rows * n_cols) as u32).collect();
            let mut expected = Vec::new();
            for i in 0..n {
                for col in 0..n_cols {
                    expected.extend((0..n_rows).map(|row| at(i, row, col)));
                }
            }
            let found = transposed(bytemuck::cast_slice(&stored), &[n, n_rows, n_cols]);
            assert_eq!(found, bytemuck::cast_slice::<_, u8>(&expected));
            let halves = |words: &[u32]| words.iter().map(|x| *x as u16).collect::<Vec<_>>();
            let found = transposed(bytemuck::cast_slice(&halves(&stored)), &[n, n_rows, n_cols]);
            assert_eq!(found, bytemuck::cast_slice::<_, u8>(&halves(&expected)));
        }
    }
}
