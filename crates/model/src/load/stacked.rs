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
        let (shape, is_transposed) = ([n, n_out, n_in], self.layout().transposes_experts);
        let all = self.joined(&together, &shape, is_transposed)?;
        let all = all.ok_or_else(|| self.missing(&together, &stored(&shape, is_transposed)))?;
        let scales = self.scales(&together, n)?;
        let scale = |i: usize| scales.as_ref().map(|scales| scales[i]);
        let one = |i: usize| Matrix { scale: scale(i), ..all.run(i * n_out..(i + 1) * n_out) };
        Ok((0..n).map(one).collect())
    }

    /// A matrix `[n_out, n_in]`, or one below the other those of a tensor `[n, n_out, n_in]`.
    pub(super) fn joined(
        &mut self,
        name: &str,
        dims: &[usize],
        is_transposed: bool,
    ) -> Result<Option<Matrix>, LoadError> {
        let &[ref n @ .., n_out, n_in] = dims else { unreachable!("matrices") };
        let n = n.iter().product();
        if let Some(matrix) = self.packed_matrices(name, n, [n_out, n_in])? {
            return Ok(Some(matrix));
        }
        let stored = stored(dims, is_transposed);
        let Some(tensor) = self.find(name, &stored)? else { return Ok(None) };
        let pages = self.options.pages;
        if pages == Pages::Touch {
            self.read_pages(&tensor);
        }
        let (dtype, file_name) = (tensor.info.dtype, tensor.info.name);
        let bytes = match (is_transposed, pages) {
            (false, _) => tensor.bytes,
            (true, _) if dtype.is_quantized() => {
                let expected = "floats, since it is stored by columns".into();
                return Err(LoadError::config(&file_name, expected, dtype));
            }
            (true, Pages::Touch) => transposed(&tensor.bytes, &stored).into(),
            (true, Pages::Leave) => vec![0; tensor.bytes.len()].into(),
        };
        let shape = [n * n_out, n_in];
        let matrix = Matrix { name: file_name, dtype, shape, scale: None, bytes };
        Ok(Some(self.as_asked(name, matrix)))
    }
}

/// The shape that a file has for matrices `[n_out, n_in]`.
pub(super) fn stored(dims: &[usize], is_transposed: bool) -> Vec<usize> {
    let mut stored = dims.to_vec();
    if let ([.., n_out, n_in], true) = (&mut stored[..], is_transposed) {
        std::mem::swap(n_out, n_in);
    }
    stored
}

/// A matrix of which some rows may be wanted, with a bias of each.
pub(super) struct Joined {
    pub(super) matrix: Matrix,
    pub(super) bias: Option<Vec<f32>>,
}

impl Joined {
    pub(super) fn rows(&self, rows: RowRuns, pages: Pages) -> Linear {
        let bias = self.bias.as_deref().map(|bias| rows.of_vector(bias));
        Linear { weight: self.matrix.rows(rows, pages), bias }
    }
}

pub(super) fn whole(all: Vec<Joined>) -> Vec<Linear> {
    let linear = |Joined { matrix, bias }| Linear { weight: matrix.whole(), bias };
    all.into_iter().map(linear).collect()
}
