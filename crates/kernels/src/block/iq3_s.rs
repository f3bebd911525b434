//! IQ3_S: 256 values in groups of 32, four together from a grid of 512 points, each with a sign,
//! `w = d (2 s + 1) v[q]`. 3.4375 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..66: bits 0..8 of 64 indices
//! - bytes 66..74: bit 8 of the indices
//! - bytes 74..106: a bit for each sign
//! - bytes 106..110: `s` of eight groups, 4 bits each

use super::codebook::{IQ3_S, IQ3_S_VALUES, nibble_at, unpack_signed};
use super::float::f16_at;

pub(super) const BYTES: usize = 2 + LEN / 4 + LEN / 32 + LEN / 8 + GROUPS / 2;
pub(super) const LEN: usize = 256;
const GROUPS: usize = LEN / 32;
const _: () = assert!(BYTES == 110);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scales: &mut [f32; GROUPS]) {
    let d = f16_at(b, 0);
    for g in 0..GROUPS {
        scales[g] = d * f32::from(2 * nibble_at(b, 106, g) + 1);
    }
    let point = |i: usize| {
        let high = usize::from(b[66 + i / 8] >> (i % 8) & 1);
        IQ3_S[usize::from(b[2 + i]) | high << 8]
    };
    for (i, q) in q.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let codes = point(2 * i) | point(2 * i + 1) << 4;
        unpack_signed(codes, b[74 + i], &IQ3_S_VALUES, q);
    }
}
