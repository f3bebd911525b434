//! MXFP4 (OCP Microscaling Formats 1.0, section 5.3) of several matrices together, as gpt-oss has
//! its experts: 32 floats of four bits with one scale, a power of two.
//!
//! - `_blocks` `[n, n_out, n_in / 32, 16]`, U8: value `2 i` in the low, `2 i + 1` in the high
//!   nibble
//! - `_scales` `[n, n_out, n_in / 32]`, U8: E8M0

use std::ops::Range;

use format::Bytes;
use format::safetensors::RawType;
use kernels::DType;

use super::parts::Parts;
use crate::error::LoadError;

#[derive(Clone, Copy)]
pub(in crate::load) struct Mxfp4;

/// Values of a block.
const LEN: usize = 32;
/// The exponent that stands for no number.
const NAN: u8 = 255;

pub(super) struct Blocks {
    pub(super) nibbles: Bytes,
    scales: Bytes,
}

impl Mxfp4 {
    pub(super) fn read(
        self,
        parts: &mut Parts<'_>,
        [n, n_out, n_in]: [usize; 3],
    ) -> Result<Blocks, LoadError> {
        let n_blocks = n_in.div_ceil(LEN);
        if !n_in.is_multiple_of(LEN) {
            return Err(parts.wrong("_blocks", format!("rows of blocks of {LEN}"), n_in as i32));
        }
        let nibbles = parts.raw("_blocks", RawType::U8, &[n, n_out, n_blocks, LEN / 2])?;
        let scales = parts.raw("_scales", RawType::U8, &[n, n_out, n_blocks])?;
        if scales.bytes.contains(&NAN) {
            let expected = "exponents of numbers, 0 to 254".into();
            return Err(parts.wrong("_scales", expected, NAN.into()));
        }
        Ok(Blocks { nibbles: nibbles.bytes.clone(), scales: scales.bytes.clone() })
    }
}

impl Blocks {
    pub(super) const DTYPE: DType = DType::Mxfp4;

    /// Some rows as GGUF has them: a scale, then the first half of the values in the low nibbles,
    /// the second in the high ones.
    pub(super) fn pack(&self, n_in: usize, rows: Range<usize>, out: &mut [u8]) {
        let blocks = rows.start * (n_in / LEN)..rows.end * (n_in / LEN);
        let (nibbles, _) = self.nibbles.as_chunks::<{ LEN / 2 }>();
        let scales = &self.scales[blocks.clone()];
        let (out, _) = out.as_chunks_mut::<{ 1 + LEN / 2 }>();
        for ((out, nibbles), &scale) in out.iter_mut().zip(&nibbles[blocks]).zip(scales) {
            out[0] = scale;
            let value = |i: usize| nibbles[i / 2] >> (4 * (i % 2)) & 15;
            for (i, byte) in out[1..].iter_mut().enumerate() {
                *byte = value(i) | value(i + LEN / 2) << 4;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kernels::block;

    use super::*;

    /// Each value by the format's own words: sign, two bits of exponent, one of mantissa.
    fn value(bits: u8, exponent: u8) -> f64 {
        let sign = if bits & 8 == 0 { 1.0 } else { -1.0 };
        let (power, half) = (i32::from(bits >> 1 & 3), f64::from(bits & 1) / 2.0);
        let magnitude = if power == 0 { half } else { (1.0 + half) * 2f64.powi(power - 1) };
        sign * magnitude * 2f64.powi(i32::from(exponent) - 127)
    }

    #[test]
    fn blocks_hold_the_same_values() {
        let (n_rows, n_in) = (3, 64);
        let n_blocks = n_rows * n_in / LEN;
        let bytes: Vec<u8> = (0..n_blocks * LEN / 2).map(|i| (i * 89 + i / 7) as u8).collect();
        let scales: Vec<u8> = (0..n_blocks).map(|i| [0, 1, 127, 252, 100, 130][i]).collect();
        let blocks = Blocks { nibbles: bytes.clone().into(), scales: scales.clone().into() };
        let row_bytes = Blocks::DTYPE.row_bytes(n_in).expect("whole blocks");
        let mut packed = vec![0; 2 * row_bytes];
        blocks.pack(n_in, 1..3, &mut packed);
        let mut found = vec![0.0; n_in];
        for (row_idx, row) in (1..3).zip(packed.chunks_exact(row_bytes)) {
            block::decode_row(Blocks::DTYPE, row, &mut found);
            for (i, &found) in found.iter().enumerate() {
                let at = row_idx * n_in + i;
                let expected = value(bytes[at / 2] >> (4 * (i % 2)) & 15, scales[at / LEN]);
                assert_eq!(f64::from(found), expected, "row {row_idx}, {i}");
            }
        }
    }
}
