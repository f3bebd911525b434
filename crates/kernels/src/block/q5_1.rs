//! Q5_1: 32 values of 5 bits, `w = d q + m`. 6 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..4: `m`, f16, the least value
//! - bytes 4..8: bit 4 of `q[i]` in bit `i` of a little-endian u32
//! - bytes 8..24: bits 0..4 of `q[i]` in the low, of `q[i + 16]` in the high nibble

use super::fit::nearest;
use super::float::f16_at;
use super::q4_1::encode_range;
use super::q5_0::{pack_nibbles_and_bits, unpack_nibbles_and_bits};

pub(super) const BYTES: usize = 4 + 4 + LEN / 2;
pub(super) const LEN: usize = 32;
const _: () = assert!(BYTES == 24);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scale: &mut [f32; 1], min: &mut [f32; 1]) {
    (*scale, *min) = ([f16_at(b, 0)], [-f16_at(b, 2)]);
    unpack_nibbles_and_bits(b[4..].first_chunk().expect("20 bytes"), q);
}

pub(super) fn encode(x: &[f32; LEN], b: &mut [u8; BYTES]) {
    let (d, m) = encode_range(x, 31, b);
    b[4..].copy_from_slice(&pack_nibbles_and_bits(&x.map(|x| nearest(x, d, -m, 31))));
}
