//! Q4_1: 32 values of 4 bits, `w = d q + m`. 5 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..4: `m`, f16, the least value
//! - bytes 4..20: `q[i]` in the low, `q[i + 16]` in the high nibble

use super::fit::{nearest, range, to_f16};
use super::float::{f16_at, put_f16};
use super::q4_0::{pack_nibbles, unpack_nibbles};

pub(super) const BYTES: usize = 4 + LEN / 2;
pub(super) const LEN: usize = 32;
const _: () = assert!(BYTES == 20);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scale: &mut [f32; 1], min: &mut [f32; 1]) {
    (*scale, *min) = ([f16_at(b, 0)], [-f16_at(b, 2)]);
    unpack_nibbles(b[4..].first_chunk().expect("16 bytes"), q);
}

pub(super) fn encode(x: &[f32; LEN], b: &mut [u8; BYTES]) {
    let (d, m) = encode_range(x, 15, b);
    b[4..].copy_from_slice(&pack_nibbles(&x.map(|x| nearest(x, d, -m, 15))));
}

/// Writes the `d` and `m` that spread quants `0..=q_max` over the range of `x`.
pub(super) fn encode_range(x: &[f32; LEN], q_max: u8, block: &mut [u8]) -> (f32, f32) {
    let (lo, hi) = range(x);
    let (m_bits, m) = to_f16(lo);
    // From the rounded minimum, so that the greatest value stays in reach; halves cannot overflow.
    let (d_bits, d) = to_f16(((hi / 2.0 - m / 2.0) / f32::from(q_max) * 2.0).max(0.0));
    put_f16(block, 0, d_bits);
    put_f16(block, 2, m_bits);
    (d, m)
}
