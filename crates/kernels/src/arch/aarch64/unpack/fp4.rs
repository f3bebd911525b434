//! Formats of 4-bit floats; the layouts are those of `block/`.

use std::arch::aarch64::*;

use super::super::registers::{load_i8, load_u32};
use super::lanes::{Lanes, Rows};
use super::small_blocks::{nibbles, set_picked};
use crate::block::{mxfp4, nvfp4};

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn mxfp4(rows: Rows<17>, mut lanes: Lanes<8, 1>) {
    let e = load_u32(&rows.0.map(|row| u32::from(row[0])));
    // 2^(e - 128), in two factors: the least are subnormal.
    let low = vshrq_n_u32::<1>(e);
    let [low, high] = [low, vsubq_u32(e, low)].map(|e| {
        let bits = vshlq_n_u32::<23>(vaddq_u32(e, vdupq_n_u32(63)));
        vreinterpretq_f32_u32(bits)
    });
    lanes.set_scales(0, vmulq_f32(low, high));
    set_picked(&rows, 1, &mxfp4::DOUBLED, &mut lanes, 0);
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn nvfp4(rows: Rows<36>, mut lanes: Lanes<16, 4>) {
    let codes = vreinterpretq_u8_u32(rows.words(0));
    // All seven bits set and the eighth not is zero.
    let codes = vbicq_u8(codes, vceqq_u8(codes, vdupq_n_u8(0x7f)));
    let mut codes = vreinterpretq_u32_u8(codes);
    for g in 0..4 {
        let bits = vandq_u32(codes, vdupq_n_u32(0x7f));
        let scale = vreinterpretq_f32_u32(vshlq_n_u32::<20>(bits));
        lanes.set_scales(g, vmulq_n_f32(scale, nvfp4::SCALE_UNIT));
        codes = vshrq_n_u32::<8>(codes);
    }
    let values = vreinterpretq_u8_s8(load_i8(&mxfp4::DOUBLED));
    for half in 0..2 {
        let (low, high) = nibbles(&rows, 4 + 16 * half);
        for g in 0..2 {
            let indices = [low[2 * g], low[2 * g + 1], high[2 * g], high[2 * g + 1]];
            lanes.set_quants(2 * half + g, indices.map(|idx| vqtbl1q_u8(values, idx)));
        }
    }
}
