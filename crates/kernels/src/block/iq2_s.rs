//! IQ2_S: 256 values in groups of 16, eight together from a grid of 1024 points, each with a sign,
//! `w = d (s / 4 + 1/8) v[q]`. 2.5625 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..34: bits 0..8 of 32 indices
//! - bytes 34..66: a bit for each sign
//! - bytes 66..74: bits 8..10 of the indices
//! - bytes 74..82: `s` of 16 groups, 4 bits each

use super::codebook::{IQ2_S, IQ2_VALUES, nibble_at, unpack_signed};
use super::float::f16_at;

pub(super) const BYTES: usize = 2 + 2 * LEN / 8 + LEN / 32 + GROUPS / 2;
pub(super) const LEN: usize = 256;
const GROUPS: usize = LEN / 16;
const _: () = assert!(BYTES == 82);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scales: &mut [f32; GROUPS]) {
    let d = f16_at(b, 0);
    for g in 0..GROUPS {
        scales[g] = d * (f32::from(nibble_at(b, 74, g)) * 0.25 + 0.125);
    }
    for (i, q) in q.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let high = usize::from(b[66 + i / 4] >> (2 * (i % 4)) & 3);
        let idx = usize::from(b[2 + i]) | high << 8;
        unpack_signed(IQ2_S[idx], b[34 + i], &IQ2_VALUES, q);
    }
}
