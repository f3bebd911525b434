//! F32, F16 and BF16 values, one by one, without asking the CPU for anything.
//!
//! The conversions equal the hardware's (F16C, round to nearest even, NaN made quiet) bit for bit.

use crate::DType;

/// Greatest finite f16.
pub(super) const F16_MAX: f32 = 65504.0;
/// Greatest finite bf16: `(2 - 2^-7) 2^127`.
const BF16_MAX: f32 = f32::from_bits(0x7f7f_0000);

/// Exact.
#[inline(always)]
pub(crate) fn f16_to_f32(h: u16) -> f32 {
    let magnitude = u32::from(h & 0x7fff);
    // Read as f32 the exponent is 112 too small; the product also normalises f16's subnormals.
    let finite = (f32::from_bits(magnitude << 13) * f32::from_bits((127 + 112) << 23)).to_bits();
    let quiet = if magnitude > 0x7c00 { 0x0040_0000 } else { 0 };
    let special = 0x7f80_0000 | (magnitude & 0x3ff) << 13 | quiet;
    let bits = if magnitude >= 0x7c00 { special } else { finite };
    f32::from_bits(bits | u32::from(h & 0x8000) << 16)
}

/// Round to nearest, ties to even; beyond 65520 it is infinite.
#[inline(always)]
pub(crate) fn f32_to_f16(x: f32) -> u16 {
    let magnitude = x.to_bits() & 0x7fff_ffff;
    let normal =
        magnitude.wrapping_add(0xfff + (magnitude >> 13 & 1)).wrapping_sub(112 << 23) >> 13;
    // Below 2^-14 an f16 counts steps of 2^-24, and so does the mantissa of values beside 0.5.
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let nan = 0x7e00 | (magnitude >> 13 & 0x3ff);
    let bits = if magnitude > 0x7f80_0000 {
        nan
    } else if magnitude >= 0x477f_f000 {
        0x7c00
    } else if magnitude < 0x3880_0000 {
        subnormal
    } else {
        normal
    };
    (bits | (x.to_bits() >> 16 & 0x8000)) as u16
}

/// Exact.
#[inline(always)]
pub(crate) fn bf16_to_f32(b: u16) -> f32 {
    f32::from_bits(u32::from(b) << 16)
}

/// Round to nearest, ties to even.
#[inline(always)]
pub(crate) fn f32_to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() {
        return (bits >> 16 | 0x40) as u16;
    }
    (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// The f16 stored at byte `at`.
#[inline(always)]
pub(super) fn f16_at(block: &[u8], at: usize) -> f32 {
    f16_to_f32(u16::from_le_bytes([block[at], block[at + 1]]))
}

pub(super) fn put_f16(block: &mut [u8], at: usize, h: u16) {
    block[at..at + 2].copy_from_slice(&h.to_le_bytes());
}

#[inline(always)]
pub(super) fn decode(dtype: DType, bytes: &[u8], out: &mut [f32]) {
    let halves = bytes.as_chunks::<2>().0;
    match dtype {
        DType::F32 => {
            let words = bytes.as_chunks::<4>().0;
            words.iter().zip(out).for_each(|(&b, w)| *w = f32::from_le_bytes(b));
        }
        DType::F16 => {
            halves.iter().zip(out).for_each(|(&b, w)| *w = f16_to_f32(u16::from_le_bytes(b)));
        }
        DType::BF16 => {
            halves.iter().zip(out).for_each(|(&b, w)| *w = bf16_to_f32(u16::from_le_bytes(b)));
        }
        _ => unreachable!("{dtype} is not a float type"),
    }
}

pub(super) fn encode(dtype: DType, x: &[f32], bytes: &mut [u8]) {
    match dtype {
        DType::F32 => {
            let words = bytes.as_chunks_mut::<4>().0;
            x.iter().zip(words).for_each(|(w, b)| *b = w.to_le_bytes());
        }
        DType::F16 | DType::BF16 => {
            // Saturates, so that a finite row stays finite; NaN passes.
            let f16 = |w: f32| f32_to_f16(w.clamp(-F16_MAX, F16_MAX));
            let bf16 = |w: f32| f32_to_bf16(w.clamp(-BF16_MAX, BF16_MAX));
            let convert = |w| if dtype == DType::F16 { f16(w) } else { bf16(w) };
            let halves = bytes.as_chunks_mut::<2>().0;
            x.iter().zip(halves).for_each(|(&w, b)| *b = convert(w).to_le_bytes());
        }
        _ => unreachable!("{dtype} is not a float type"),
    }
}
