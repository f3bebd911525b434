//! Matrices of Hugging Face folders that are quantised there: several tensors become one matrix.
//!
//! What has an equal in a block format becomes that, value for value; what has none is decoded to
//! floats, and encoded again where integers are to be multiplied.

mod awq;
mod compressed_tensors;
mod fp8;
mod gptq;
mod integers;
mod method;
mod mxfp4;
mod pack_quantized;
mod parts;

use std::ops::Range;

use kernels::{DType, block};

pub(super) use self::method::Method;

use self::fp8::Floats;
use self::integers::Integers;
use self::mxfp4::Blocks;
use self::parts::Parts;
use super::matrix::Matrix;
use super::quantize::fill_rows;
use super::source::{Source, is_kept};
use super::{ModelFile, Pages};
use crate::error::LoadError;
use crate::weights::Arithmetic;

/// Ends of names of tensors that say what activations, keys and values are scaled by where they
/// are quantised too. Here they are by their own range.
const OF_ACTIVATIONS: [&str; 6] =
    [".activation_scale", ".k_scale", ".v_scale", ".q_scale", ".output_scale", ".prob_scale"];

impl Source<'_> {
    /// `n` matrices that a folder has quantised, one below the other.
    pub(in crate::load) fn packed_matrices(
        &mut self,
        name: &str,
        n: usize,
        [n_out, n_in]: [usize; 2],
    ) -> Result<Option<Matrix>, LoadError> {
        let (Some(method), Some(module)) = (self.method, self.packed_module(name)) else {
            return Ok(None);
        };
        let ModelFile::HuggingFace { folder, .. } = self.file else { return Ok(None) };
        let file_name = format!("{module}{}", method.stored_as());
        let parts = &mut Parts { folder, name: module, used: &mut self.used };
        let packed = PackedMatrix::read(method, parts, [n, n_out, n_in])?;
        let shape = packed.shape;
        let inexact = match (self.options.quantize, self.options.arithmetic) {
            _ if is_kept(name) => DType::F32,
            (Some(dtype), _) => dtype,
            (None, Arithmetic::Int8) => DType::Q8_0,
            (None, Arithmetic::Exact) => DType::F32,
        };
        let dtype = packed.dtype(inexact);
        let bytes = match self.options.pages {
            Pages::Touch => {
                packed.check_finite(&file_name)?;
                packed.encoded(dtype)
            }
            Pages::Leave => vec![0; packed.n_bytes(dtype)],
        };
        self.has_read(packed.n_file_bytes());
        let bytes = bytes.into();
        Ok(Some(Matrix { name: file_name, dtype, shape, scale: None, bytes }))
    }

    /// Whether a tensor of a quantised folder says nothing: scales of activations, and biases of
    /// nothing but zeros, which AutoGPTQ gives to every matrix.
    pub(in crate::load) fn is_spare(&self, name: &str) -> bool {
        let (Some(_), ModelFile::HuggingFace { folder, .. }) = (self.method, self.file) else {
            return false;
        };
        if OF_ACTIVATIONS.iter().any(|end| name.ends_with(end)) {
            return true;
        }
        let Some(module) = name.strip_suffix(".bias") else { return false };
        let is_packed = self.used.contains(&format!("{module}.qweight"));
        let bias = folder.tensor(name).ok().flatten().filter(|_| is_packed);
        bias.is_some_and(|bias| bias.bytes.iter().all(|&byte| byte == 0))
    }

    /// What a folder calls the module of the matrix that GGUF calls `name`, where it has quantised
    /// it.
    pub(in crate::load) fn packed_module(&self, name: &str) -> Option<String> {
        let (Some(method), ModelFile::HuggingFace { folder, .. }) = (self.method, self.file) else {
            return None;
        };
        let mut names = self.names(name).into_iter();
        names.find_map(|name| {
            let module = name.strip_suffix(".weight").unwrap_or(&name);
            let stored = format!("{module}{}", method.stored_as());
            folder.raw_tensor(&stored).is_some().then(|| module.to_owned())
        })
    }
}

/// A matrix `[n_out, n_in]` as its method has it.
struct PackedMatrix {
    shape: [usize; 2],
    values: Values,
}

enum Values {
    Integers(Integers),
    Floats(Floats),
    Blocks(Blocks),
}

impl PackedMatrix {
    /// # Errors
    /// A part that is missing, misshapen, or of another type, and numbers that are none.
    fn read(
        method: Method,
        parts: &mut Parts<'_>,
        [n, n_out, n_in]: [usize; 3],
    ) -> Result<Self, LoadError> {
        // Others than those of [`Method::Mxfp4`] are stored one by one.
        let shape = [n * n_out, n_in];
        let values = match method {
            Method::Mxfp4(mxfp4) => Values::Blocks(mxfp4.read(parts, [n, n_out, n_in])?),
            Method::Gptq(gptq) => Values::Integers(gptq.read(parts, shape)?),
            Method::Awq(awq) => Values::Integers(awq.read(parts, shape)?),
            Method::PackQuantized(packed) => Values::Integers(packed.read(parts, shape)?),
            Method::Fp8(fp8) => Values::Floats(fp8.read(parts, shape)?),
        };
        Ok(Self { shape, values })
    }

    /// The block format that holds every value as it is, or else `inexact`, where rows are whole
    /// blocks of it, or else F32.
    fn dtype(&self, inexact: DType) -> DType {
        let fits = |dtype: &DType| dtype.row_bytes(self.shape[1]).is_some();
        let equal = match &self.values {
            Values::Integers(integers) => integers.equal(),
            Values::Floats(_) => None,
            Values::Blocks(_) => Some(Blocks::DTYPE),
        };
        equal.or(Some(inexact)).filter(fits).unwrap_or(DType::F32)
    }

    fn n_bytes(&self, dtype: DType) -> usize {
        let row_bytes = dtype.row_bytes(self.shape[1]).expect("whole blocks");
        self.shape[0] * row_bytes
    }

    /// Of the tensor that weighs the most.
    fn n_file_bytes(&self) -> u64 {
        let bytes = match &self.values {
            Values::Integers(integers) => &integers.words,
            Values::Floats(floats) => &floats.bytes,
            Values::Blocks(blocks) => &blocks.nibbles,
        };
        bytes.len() as u64
    }

    fn check_finite(&self, name: &str) -> Result<(), LoadError> {
        let non_finite = match &self.values {
            // Always numbers, and their scales were looked at.
            Values::Integers(_) => None,
            Values::Floats(floats) => floats.non_finite(),
            Values::Blocks(blocks) => blocks.non_finite(),
        };
        match non_finite {
            None => Ok(()),
            Some((value_idx, found)) => {
                Err(LoadError::NotFinite { name: name.to_owned(), value_idx, found })
            }
        }
    }

    /// All rows in a type that [`PackedMatrix::dtype`] gave.
    fn encoded(&self, dtype: DType) -> Vec<u8> {
        let [_, n_in] = self.shape;
        let mut out = vec![0; self.n_bytes(dtype)];
        let row_bytes = dtype.row_bytes(n_in).expect("whole blocks");
        match &self.values {
            Values::Integers(integers) if integers.equal() == Some(dtype) => {
                fill_rows(&mut out, row_bytes, |rows, out| integers.pack(dtype, rows, out));
            }
            Values::Blocks(blocks) => {
                fill_rows(&mut out, row_bytes, |rows, out| blocks.pack(n_in, rows, out));
            }
            _ => fill_rows(&mut out, row_bytes, |rows, out| self.encode(dtype, rows, out)),
        }
        out
    }

    fn encode(&self, dtype: DType, rows: Range<usize>, out: &mut [u8]) {
        let [_, n_in] = self.shape;
        let mut values = vec![0.0; rows.len() * n_in];
        match &self.values {
            Values::Integers(integers) => integers.decode(rows, &mut values),
            Values::Floats(floats) => floats.decode(rows, &mut values),
            Values::Blocks(_) => unreachable!("they are never encoded again"),
        }
        let row_bytes = out.len() / (values.len() / n_in);
        for (row, out) in values.chunks_exact(n_in).zip(out.chunks_exact_mut(row_bytes)) {
            block::encode_row(dtype, row, out);
        }
    }
}
