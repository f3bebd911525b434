//! Rows of noise in any format: for measuring, and for holding tables against each other.

use super::fit::to_f16;
use super::float::put_f16;
use super::{CHUNK, encode_row, is_encoded};
use crate::DType;

/// Fills `bytes`, whole blocks, with weights of about `size`, the same ones for the same seed. A
/// `size` from 2^-4 to 2^8 suits every format.
///
/// # Panics
/// If `bytes` are no whole blocks.
pub fn made_up_row(dtype: DType, seed: u64, size: f32, bytes: &mut [u8]) {
    let mut noise = Noise(seed);
    let blocks = bytes.chunks_exact_mut(dtype.block_bytes());
    for block in blocks {
        if is_encoded(dtype) {
            let mut values = [0.0; CHUNK];
            let values = &mut values[..dtype.block_len()];
            values.fill_with(|| size * noise.value());
            encode_row(dtype, values, block);
        } else {
            block.fill_with(|| noise.bits().to_le_bytes()[3]);
            set_size(dtype, size, block);
        }
    }
}

/// Puts the scales of a block of any bits, so that its greatest weights are of about `size`.
fn set_size(dtype: DType, size: f32, block: &mut [u8]) {
    let exponent = size.to_bits() >> 23;
    match dtype {
        // The greatest value is 6: a little below 2^3.
        DType::Mxfp4 => block[0] = (exponent - 2) as u8,
        DType::Nvfp4 => block[..4].fill(((exponent - 2 - 120) << 3) as u8),
        DType::Tq1_0 => put_f16(block, 52, to_f16(size).0),
        DType::Tq2_0 => put_f16(block, 64, to_f16(size / 2.0).0),
        DType::Q1_0 => put_f16(block, 0, to_f16(size).0),
        DType::Q2_0 => put_f16(block, 0, to_f16(size / 2.0).0),
        DType::Iq2Xxs | DType::Iq2Xs | DType::Iq2S => put_f16(block, 0, to_f16(size / 128.0).0),
        DType::Iq3Xxs | DType::Iq3S => put_f16(block, 0, to_f16(size / 480.0).0),
        DType::Iq1S => put_f16(block, 0, to_f16(size / 16.0).0),
        DType::Iq1M => {
            let d = to_f16(size / 16.0).0;
            for i in 0..4 {
                let byte = &mut block[49 + 2 * i];
                *byte = *byte & 15 | (d >> (4 * i) << 4) as u8;
            }
        }
        _ => unreachable!("{dtype} is encoded"),
    }
}

/// A linear congruential generator (Knuth's MMIX constants), upper bits.
struct Noise(u64);

impl Noise {
    fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    /// Uniform in -1..1.
    fn value(&mut self) -> f32 {
        self.bits() as i32 as f32 / 2_147_483_648.0
    }
}
