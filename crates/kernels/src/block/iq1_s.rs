//! IQ1_S: 256 values in groups of 32, eight together from a grid of 2048 points of three values,
//! `w = d (2 s + 1) (q - 1 + t)` with `t` 1/8 or -1/8. 1.5625 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..34: bits 0..8 of 32 indices
//! - bytes 34..50: for each group a little-endian u16: bits 8..11 of four indices, 3 bits of `s`,
//!   and a bit that is set where `t` is -1/8

use super::codebook::{IQ1, code};
use super::float::f16_at;

pub(super) const BYTES: usize = 2 + LEN / 8 + 2 * GROUPS;
pub(super) const LEN: usize = 256;
const GROUPS: usize = LEN / 32;
const _: () = assert!(BYTES == 50);

#[inline(always)]
pub(super) fn unpack(
    b: &[u8; BYTES],
    q: &mut [u8; LEN],
    scales: &mut [f32; GROUPS],
    mins: &mut [f32; GROUPS],
) {
    let d = f16_at(b, 0);
    for g in 0..GROUPS {
        let last = u16::from_le_bytes([b[34 + 2 * g], b[35 + 2 * g]]);
        scales[g] = d * f32::from(2 * (last >> 12 & 7) + 1);
        mins[g] = scales[g] * (f32::from(last >> 15) * 0.25 + 0.875);
        let eights = q[32 * g..][..32].as_chunks_mut::<8>().0;
        for (l, q) in eights.iter_mut().enumerate() {
            let idx = u16::from(b[2 + 4 * g + l]) | (last >> (3 * l) & 7) << 8;
            let codes = IQ1[usize::from(idx)];
            *q = std::array::from_fn(|j| code(codes, j));
        }
    }
}
