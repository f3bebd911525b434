//! Tensors whose values mean something only together with other tensors: packed integers and
//! eight-bit floats.

use std::path::Path;

use crate::{Bytes, Error};

/// What methods of quantisation store weights as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawType {
    U8,
    I32,
    /// Four bits of exponent, three of mantissa, NaN but no infinity.
    F8E4M3,
    /// Five bits of exponent, two of mantissa: the upper half of an f16.
    F8E5M2,
}

/// (type, safetensors' name, bytes)
const TABLE: [(RawType, &str, usize); 4] = [
    (RawType::U8, "U8", 1),
    (RawType::I32, "I32", 4),
    (RawType::F8E4M3, "F8_E4M3", 1),
    (RawType::F8E5M2, "F8_E5M2", 1),
];

/// A tensor as it lies in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTensor {
    pub dtype: RawType,
    /// Outermost first.
    pub shape: Vec<usize>,
    /// Exactly as many as dtype and shape need, little-endian.
    pub bytes: Bytes,
}

impl RawType {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    fn row(self) -> &'static (RawType, &'static str, usize) {
        TABLE.iter().find(|row| row.0 == self).expect("every RawType has a row in TABLE")
    }

    pub fn name(self) -> &'static str {
        self.row().1
    }
}

impl RawTensor {
    /// # Errors
    /// [`Error::TensorLength`] where `bytes` are not those of the shape, and
    /// [`Error::Malformed`] for a size that does not fit an address.
    pub(super) fn checked(self, name: &str, file: &Path) -> Result<Self, Error> {
        let n = self.dtype.row().2;
        let expected = self.shape.iter().try_fold(n, |n, &dim| n.checked_mul(dim));
        let found = self.bytes.len() as u64;
        match expected.map(|n| n as u64) {
            Some(expected) if expected == found => Ok(self),
            Some(expected) => {
                Err(Error::TensorLength { file: file.into(), tensor: name.into(), expected, found })
            }
            None => {
                let (place, found) = (format!("shape of tensor {name:?}"), &self.shape);
                let expected = "a size that can be addressed";
                Err(Error::malformed(file, place, expected, format!("{found:?}")))
            }
        }
    }
}

impl std::fmt::Display for RawType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
