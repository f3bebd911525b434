//! FP8 (Micikevicius et al. 2022): floats of eight bits with scales of a tensor, of rows or of
//! blocks, as transformers and compressed-tensors write them.
//!
//! - `weight` `[n_out, n_in]`, F8_E4M3 or F8_E5M2
//! - `weight_scale_inv` or `weight_scale`, which is multiplied whatever its name: one value, one a
//!   row `[n_out, 1]`, or one a block `[ceil(n_out / rows), ceil(n_in / columns)]`

use std::ops::Range;

use format::Bytes;
use format::safetensors::RawType;

use super::parts::Parts;
use crate::error::LoadError;

#[derive(Clone, Copy)]
pub(in crate::load) struct Fp8 {
    /// Rows and columns that share a scale, where files may have such blocks.
    pub(super) block: Option<[usize; 2]>,
}

/// A matrix of them: `w[o, i] = scale[o / rows, i / columns] weight[o, i]`.
pub(super) struct Floats {
    shape: [usize; 2],
    pub(super) bytes: Bytes,
    /// What each byte stands for.
    values: Box<[f32; 256]>,
    /// A value a block, rows of blocks one after the other.
    scales: Vec<f32>,
    block: [usize; 2],
}

impl Fp8 {
    pub(super) fn read(
        self,
        parts: &mut Parts<'_>,
        [n_out, n_in]: [usize; 2],
    ) -> Result<Floats, LoadError> {
        let part = "weight";
        let dtype = match parts.type_of(part) {
            Some(RawType::F8E5M2) => RawType::F8E5M2,
            _ => RawType::F8E4M3,
        };
        let weight = parts.raw(part, dtype, &[n_out, n_in])?;
        let blocks = self.block.map(|[rows, cols]| vec![n_out.div_ceil(rows), n_in.div_ceil(cols)]);
        let of_rows = [vec![n_out, 1], vec![n_out]];
        let of_tensor = [vec![], vec![1], vec![1, 1]];
        let shapes: Vec<_> = blocks.clone().into_iter().chain(of_rows).chain(of_tensor).collect();
        let (shape, scales) = parts.floats_of(&["weight_scale_inv", "weight_scale"], &shapes)?;
        let block = match self.block {
            Some(block) if Some(&shape) == blocks.as_ref() => block,
            _ if scales.len() == 1 => [n_out, n_in],
            _ => [1, n_in],
        };
        let values = Box::new(std::array::from_fn(|byte| match dtype {
            RawType::F8E5M2 => e5m2(byte as u8),
            RawType::F8E4M3 | RawType::U8 | RawType::I32 => e4m3(byte as u8),
        }));
        Ok(Floats { shape: [n_out, n_in], bytes: weight.bytes.clone(), values, scales, block })
    }
}

impl Floats {
    /// The first value that is no number, with its place.
    pub(super) fn non_finite(&self) -> Option<(usize, f32)> {
        let values = self.bytes.iter().map(|&byte| self.values[usize::from(byte)]);
        values.enumerate().find(|(_, value)| !value.is_finite())
    }

    /// Rows as f32; `out`: `[rows.len(), n_in]`.
    pub(super) fn decode(&self, rows: Range<usize>, out: &mut [f32]) {
        let [_, n_in] = self.shape;
        let [block_rows, block_cols] = self.block;
        let n_blocks = n_in.div_ceil(block_cols);
        for (row, out) in rows.zip(out.chunks_exact_mut(n_in)) {
            let bytes = &self.bytes[row * n_in..][..n_in];
            let scales = &self.scales[row / block_rows * n_blocks..][..n_blocks];
            let blocks = bytes.chunks(block_cols).zip(out.chunks_mut(block_cols));
            for ((bytes, out), scale) in blocks.zip(scales) {
                for (&byte, w) in bytes.iter().zip(out) {
                    *w = scale * self.values[usize::from(byte)];
                }
            }
        }
    }
}

/// `(1 + m / 8) 2^(e - 7)`, and `m 2^-9` for `e = 0`; all ones are NaN.
fn e4m3(byte: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
    let magnitude = match (exponent, byte & 7) {
        (15, 7) => f32::NAN,
        (0, _) => mantissa * 2f32.powi(-9),
        _ => (8.0 + mantissa) * 2f32.powi(exponent - 10),
    };
    if byte >> 7 == 1 { -magnitude } else { magnitude }
}

/// `(1 + m / 4) 2^(e - 15)`, and `m 2^-16` for `e = 0`; infinity and NaN as in f16.
fn e5m2(byte: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(byte >> 2 & 31), f32::from(byte & 3));
    let magnitude = match (exponent, byte & 3) {
        (31, 0) => f32::INFINITY,
        (31, _) => f32::NAN,
        (0, _) => mantissa * 2f32.powi(-16),
        _ => (4.0 + mantissa) * 2f32.powi(exponent - 17),
    };
    if byte >> 7 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_floats_of_the_paper() {
        // Table 1 of the paper: greatest and least values of both.
        let e4m3_cases = [
            (0x7e, 448.0),
            (0x08, 2f32.powi(-6)),
            (0x07, 0.875 * 2f32.powi(-6)),
            (0x01, 2f32.powi(-9)),
            (0x38, 1.0),
            (0xb9, -1.125),
            (0x00, 0.0),
        ];
        e4m3_cases.iter().for_each(|&(byte, value)| assert_eq!(e4m3(byte), value, "{byte:#x}"));
        assert!(e4m3(0x7f).is_nan() && e4m3(0xff).is_nan());
        let halves = |byte: u8| {
            let mut value = [0.0];
            kernels::block::decode_row(kernels::DType::F16, &[0, byte], &mut value);
            value[0]
        };
        for byte in 0..=255 {
            let (found, expected) = (e5m2(byte), halves(byte));
            assert!(found == expected || found.is_nan() && expected.is_nan(), "{byte:#x}");
        }
    }
}
