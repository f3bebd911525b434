//! MXFP4 (OCP Microscaling Formats 1.0, section 5.3) of several matrices together, as gpt-oss has
//! its experts: 32 floats of four bits with one scale, a power of two.
//!
//! - `_blocks` `[n, n_out, n_in / 32, 16]`, U8: value `2 i` in the low, `2 i + 1` in the high
//!   nibble
//! - `_scales` `[n, n_out, n_in / 32]`, U8: E8M0

use std::ops::Range;

use format::Bytes;
use format::safetensors::RawType;
use kernels::{DType, block};

use super::parts::Parts;
use crate::error::LoadError;

#[derive(Clone, Copy)]
pub(in crate::load) struct Mxfp4;

/// Values of a block.
const LEN: usize = 32;
/// The exponent that stands for no number.
const NAN: u8 = 255;
/// The greatest with which all values are finite: six times 2^125.
const SCALE_MAX: u8 = 252;

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
        Ok(Blocks { nibbles: nibbles.bytes.clone(), scales: scales.bytes.clone() })
    }
}

impl Blocks {
    pub(super) const DTYPE: DType = DType::Mxfp4;

    /// The first value that is no number, or more than f32 holds, with its place.
    pub(super) fn non_finite(&self) -> Option<(usize, f32)> {
        let scales = self.scales.iter().enumerate();
        scales.filter(|&(_, &scale)| scale > SCALE_MAX).find_map(|(block, &scale)| {
            let (mut packed, mut values) = ([0; 1 + LEN / 2], [f32::NAN; LEN]);
            if scale != NAN {
                self.pack(LEN, block..block + 1, &mut packed);
                block::decode_row(Self::DTYPE, &packed, &mut values);
            }
            let at = values.iter().position(|value| !value.is_finite())?;
            Some((block * LEN + at, values[at]))
        })
    }

    /// Some rows as GGUF has them: a scale, then the first half of the values in the low nibbles,
    /// the second in the high ones.
    pub(super) fn pack(&self, n_in: usize, rows: Range<usize>, out: &mut [u8]) {
        let blocks = rows.start * (n_in / LEN)..rows.end * (n_in / LEN);
        let (nibbles, _) = self.nibbles.as_chunks::<{ LEN / 2 }>();
        let scales = &self.scales[blocks.clone()];
        let (out, _) = out.as_chunks_mut::<{ 1 + LEN / 2 }>();
        for ((out, nibbles), &scale) in out.iter_mut().zip(&nibbles[blocks]).zip(scales) {
            out[0] = scale;
            let (low, high) = nibbles.split_at(LEN / 4);
            let (pairs, _) = out[1..].as_chunks_mut();
            for ([even, odd], (low, high)) in pairs.iter_mut().zip(low.iter().zip(high)) {
                *even = low & 15 | high << 4;
                *odd = low >> 4 | high & 0xf0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each value by the format's own words: sign, two bits of exponent, one of mantissa.
    fn value(bits: u8, exponent: u8) -> f64 {
        let sign = if bits & 8 == 0 { 1.0 } else { -1.0 };
        let (power, half) = (i32::from(bits >> 1 & 3), f64::from(bits & 1) / 2.0);
        let magnitude = if power == 0 { half } else { (1.0 + half) * 2f64.powi(power - 1) };
        sign * magnitude * 2f64.powi(i32::from(exponent) - 127)
    }

    #[test]
    fn numbers_that_are_none_have_a_place() {
        let blocks = |scales: [u8; 2], byte: u8| Blocks {
            nibbles: vec![byte; LEN].into(),
            scales: scales.to_vec().into(),
        };
        assert_eq!(blocks([127, 252], 0x7f).non_finite(), None);
        // 0.5 times 2^127 is a number still, 6 times that is none.
        assert_eq!(blocks([127, 254], 0x71).non_finite(), Some((LEN + 1, f32::INFINITY)));
        let (at, value) = blocks([127, 255], 0).non_finite().expect("no number");
        assert!(at == LEN && value.is_nan());
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
