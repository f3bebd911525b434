//! IQ1_M: 256 values in groups of 16, eight together from the grid of IQ1_S,
//! `w = d (2 s + 1) (q - 1 + t)` with `t` 1/8 or -1/8 for eight values. 1.75 bits a value.
//!
//! The integers here are `8 (q - 1 + t)`.
//! - bytes 0..32: bits 0..8 of 32 indices
//! - bytes 32..48: 4 bits each: bits 8..11 of an index, and a bit that is set where `t` is -1/8
//! - bytes 48..56: four little-endian u16, each with `s` of four groups, 3 bits each, and, in its
//!   last 4 bits, as many of `d`, f16

use super::codebook::{IQ1, IQ1_M_VALUES, nibble_at, unpack_signed};
use super::float::f16_to_f32;

pub(super) const BYTES: usize = LEN / 8 + LEN / 16 + LEN / 32;
pub(super) const LEN: usize = 256;
const GROUPS: usize = LEN / 16;
const _: () = assert!(BYTES == 56);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scales: &mut [f32; GROUPS]) {
    let last: [u16; 4] =
        std::array::from_fn(|i| u16::from_le_bytes([b[48 + 2 * i], b[49 + 2 * i]]));
    let d = (0..4).fold(0, |d, i| d | last[i] >> 12 << (4 * i));
    let eighth = f16_to_f32(d) * 0.125;
    for g in 0..GROUPS {
        let s = last[g / 4] >> (3 * (g % 4)) & 7;
        scales[g] = eighth * f32::from(2 * s + 1);
    }
    for (i, q) in q.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let high = nibble_at(b, 32, i);
        let idx = usize::from(b[i]) | usize::from(high & 7) << 8;
        let signs = if high & 8 == 0 { 0 } else { 0xff };
        unpack_signed(IQ1[idx], signs, &IQ1_M_VALUES, q);
    }
}
