//! A named array in a file, and the table of all of them.

use std::collections::HashMap;
use std::path::Path;

use kernels::DType;

use crate::{Bytes, Error};

/// A tensor as it lies in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    pub info: TensorInfo,
    /// Rows one after another, exactly as many bytes as dtype and shape need.
    pub bytes: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    pub name: String,
    pub dtype: DType,
    /// Outermost first: `[n_out, n_in]`.
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// Bytes of the data. Rows are whole blocks; an empty shape is one value.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a dimension of zero, a row that is no multiple of the block, and a
    /// size that does not fit an address.
    pub(crate) fn n_bytes(&self, file: &Path) -> Result<usize, Error> {
        let malformed = |expected: String| {
            let place = format!("shape of tensor {:?}", self.name);
            Error::malformed(file, place, expected, format!("{:?}", self.shape))
        };
        if self.shape.contains(&0) {
            return Err(malformed("dimensions of at least 1".into()));
        }
        let (n_in, outer) = self.shape.split_last().map_or((1, &[][..]), |(n, outer)| (*n, outer));
        let block_len = self.dtype.block_len();
        if !n_in.is_multiple_of(block_len) {
            return Err(malformed(format!(
                "rows of a multiple of {block_len} values ({})",
                self.dtype
            )));
        }
        let row_bytes = self.dtype.row_bytes(n_in);
        row_bytes
            .and_then(|bytes| outer.iter().try_fold(bytes, |bytes, &n| bytes.checked_mul(n)))
            .ok_or_else(|| malformed("a size that can be addressed".into()))
    }
}

/// Tensors in the order of the file, found by name.
#[derive(Debug, Default)]
pub(crate) struct TensorTable {
    tensors: Vec<Tensor>,
    by_name: HashMap<String, usize>,
}

impl TensorTable {
    /// # Errors
    /// [`Error::DuplicateTensor`]
    pub(crate) fn insert(&mut self, tensor: Tensor, file: &Path) -> Result<(), Error> {
        let name = &tensor.info.name;
        if self.by_name.insert(name.clone(), self.tensors.len()).is_some() {
            return Err(Error::DuplicateTensor { file: file.into(), tensor: name.clone() });
        }
        self.tensors.push(tensor);
        Ok(())
    }

    /// Adds the tensors of another `file` of the same model.
    ///
    /// # Errors
    /// [`Error::DuplicateTensor`]
    pub(crate) fn extend(&mut self, other: TensorTable, file: &Path) -> Result<(), Error> {
        other.tensors.into_iter().try_for_each(|tensor| self.insert(tensor, file))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Tensor> {
        self.by_name.get(name).map(|&tensor_idx| &self.tensors[tensor_idx])
    }

    pub(crate) fn len(&self) -> usize {
        self.tensors.len()
    }

    pub(crate) fn infos(&self) -> impl Iterator<Item = &TensorInfo> {
        self.tensors.iter().map(|tensor| &tensor.info)
    }
}
