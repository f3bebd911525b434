//! Q5_0: 32 values of 5 bits, `w = d (q - 16)`. 5.5 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..6: bit 4 of `q[i]` in bit `i` of a little-endian u32
//! - bytes 6..22: bits 0..4 of `q[i]` in the low, of `q[i + 16]` in the high nibble

use super::fit::{extreme, nearest, to_f16};
use super::float::{f16_at, put_f16};
use super::q4_0::{pack_nibbles, unpack_nibbles};

pub(super) const BYTES: usize = 2 + 4 + LEN / 2;
pub(super) const LEN: usize = 32;
const _: () = assert!(BYTES == 22);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scale: &mut [f32; 1], min: &mut [f32; 1]) {
    let d = f16_at(b, 0);
    (*scale, *min) = ([d], [16.0 * d]);
    unpack_nibbles_and_bits(b[2..].first_chunk().expect("20 bytes"), q);
}

pub(super) fn encode(x: &[f32; LEN], b: &mut [u8; BYTES]) {
    let (bits, d) = to_f16(-extreme(x) / 16.0);
    put_f16(b, 0, bits);
    let quants = x.map(|x| nearest(x, d, 16.0 * d, 31));
    b[2..].copy_from_slice(&pack_nibbles_and_bits(&quants));
}

pub(super) fn pack(q: &[u8; LEN], d: f32, b: &mut [u8; BYTES]) {
    put_f16(b, 0, to_f16(d).0);
    b[2..].copy_from_slice(&pack_nibbles_and_bits(q));
}

#[inline(always)]
pub(super) fn unpack_nibbles_and_bits(bytes: &[u8; 4 + LEN / 2], q: &mut [u8; LEN]) {
    unpack_nibbles(bytes[4..].first_chunk().expect("16 bytes"), q);
    let high = u32::from_le_bytes(*bytes.first_chunk().expect("4 bytes"));
    for i in 0..LEN {
        q[i] |= ((high >> i & 1) << 4) as u8;
    }
}

pub(super) fn pack_nibbles_and_bits(q: &[u8; LEN]) -> [u8; 4 + LEN / 2] {
    let mut bytes = [0; 4 + LEN / 2];
    let high = q.iter().rev().fold(0u32, |high, &q| high << 1 | u32::from(q >> 4));
    bytes[..4].copy_from_slice(&high.to_le_bytes());
    bytes[4..].copy_from_slice(&pack_nibbles(q));
    bytes
}
