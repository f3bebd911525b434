//! IQ2_XS: 256 values in groups of 16, eight together from a grid of 512 points, with signs of
//! which an even number is negative, `w = d (s / 4 + 1/8) v[q]`. 2.3125 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..66: 32 times an index of 9 bits and 7 signs, little-endian u16
//! - bytes 66..74: `s` of 16 groups, 4 bits each

use super::codebook::{IQ2_VALUES, IQ2_XS, even_signs, nibble_at, unpack_signed};
use super::float::f16_at;

pub(super) const BYTES: usize = 2 + LEN / 4 + GROUPS / 2;
pub(super) const LEN: usize = 256;
const GROUPS: usize = LEN / 16;
const _: () = assert!(BYTES == 74);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scales: &mut [f32; GROUPS]) {
    let d = f16_at(b, 0);
    for g in 0..GROUPS {
        scales[g] = d * (f32::from(nibble_at(b, 66, g)) * 0.25 + 0.125);
    }
    for (pair, q) in b[2..66].as_chunks::<2>().0.iter().zip(q.as_chunks_mut::<8>().0) {
        let pair = u16::from_le_bytes(*pair);
        let signs = even_signs((pair >> 9) as u8);
        unpack_signed(IQ2_XS[usize::from(pair & 511)], signs, &IQ2_VALUES, q);
    }
}
