//! Several matrices of one shape, together in a file or one by one.

use super::Pages;
use super::matrix::{Matrix, RowRuns, transposed};
use super::source::Source;
use crate::error::LoadError;
use crate::spec::Bias;
use crate::weights::Linear;

impl Source<'_> {
    /// `n` matrices of one shape, and a row of biases for each.
    pub(super) fn linears(
        &mut self,
        name: &str,
        n: usize,
        shape: [usize; 2],
        bias: Bias,
    ) -> Result<Vec<Joined>, LoadError> {
        let matrices = self.stacked(name, n, shape)?;
        let biases = self.biases(name, [n, shape[0]], bias)?;
        let bias = |i: usize| biases.as_ref().map(|all| all[i * shape[0]..][..shape[0]].to_vec());
        let joined = |(i, matrix)| Joined { matrix, bias: bias(i) };
        Ok(matrices.into_iter().enumerate().map(joined).collect())
    }

    /// `n` matrices of one shape: one tensor `[n, n_out, n_in]`, or one each, with its number.
    pub(super) fn stacked(
        &mut self,
        name: &str,
        n: usize,
        [n_out, n_in]: [usize; 2],
    ) -> Result<Vec<Matrix>, LoadError> {
        let together = format!("{name}.weight");
        let one = |i: usize| format!("{name}.{i}.weight");
        let are_named = self.names(&one(0)) != [one(0)];
        if are_named && !self.has(&together)? {
            return (0..n).map(|i| self.whole_matrix(&one(i), [n_out, n_in])).collect();
        }
        if let Some(all) = self.packed_stack(&together, n, [n_out, n_in])? {
            return Ok((0..n).map(|i| all.run(i * n_out..(i + 1) * n_out)).collect());
        }
        let is_transposed = self.layout().transposes_experts;
        let [n_rows, n_cols] = if is_transposed { [n_in, n_out] } else { [n_out, n_in] };
        let shape = [n, n_rows, n_cols];
        let tensor = self.find(&together, &shape)?;
        let tensor = tensor.ok_or_else(|| self.missing(&together, &shape))?;
        if self.options.pages == Pages::Touch {
            self.read_pages(&tensor);
        }
        let (dtype, name) = (tensor.info.dtype, tensor.info.name);
        let bytes = match is_transposed {
            false => tensor.bytes,
            true => {
                let matrices = tensor.bytes.chunks_exact((tensor.bytes.len() / n).max(1));
                matrices
                    .flat_map(|bytes| transposed(bytes, [n_rows, n_cols]))
                    .collect::<Vec<_>>()
                    .into()
            }
        };
        let shape = [n * n_out, n_in];
        let all = Matrix { name, dtype, shape, scale: None, bytes };
        let all = self.as_asked(&together, all);
        let scales = self.scales(&together, n)?;
        let scale = |i: usize| scales.as_ref().map(|scales| scales[i]);
        let one = |i: usize| Matrix { scale: scale(i), ..all.run(i * n_out..(i + 1) * n_out) };
        Ok((0..n).map(one).collect())
    }
}

/// A matrix of which some rows may be wanted, with a bias of each.
pub(super) struct Joined {
    pub(super) matrix: Matrix,
    pub(super) bias: Option<Vec<f32>>,
}

impl Joined {
    pub(super) fn rows(&self, rows: RowRuns) -> Linear {
        let bias = self.bias.as_deref().map(|bias| rows.of_vector(bias));
        Linear { weight: self.matrix.rows(rows), bias }
    }
}

pub(super) fn whole(all: Vec<Joined>) -> Vec<Linear> {
    let linear = |Joined { matrix, bias }| Linear { weight: matrix.whole(), bias };
    all.into_iter().map(linear).collect()
}
