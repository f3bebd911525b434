//! Q4_0: 32 values of 4 bits, `w = d (q - 8)`. 4.5 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..18: `q[i]` in the low, `q[i + 16]` in the high nibble

use super::fit::{extreme, nearest, to_f16};
use super::float::{f16_at, put_f16};

pub(super) const BYTES: usize = 2 + LEN / 2;
pub(super) const LEN: usize = 32;
const _: () = assert!(BYTES == 18);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scale: &mut [f32; 1], min: &mut [f32; 1]) {
    let d = f16_at(b, 0);
    (*scale, *min) = ([d], [8.0 * d]);
    unpack_nibbles(b[2..].first_chunk().expect("16 bytes"), q);
}

pub(super) fn encode(x: &[f32; LEN], b: &mut [u8; BYTES]) {
    // The larger side takes the range's longer end, -8.
    let (bits, d) = to_f16(-extreme(x) / 8.0);
    put_f16(b, 0, bits);
    let quants = x.map(|x| nearest(x, d, 8.0 * d, 15));
    b[2..].copy_from_slice(&pack_nibbles(&quants));
}

pub(super) fn pack(q: &[u8; LEN], d: f32, b: &mut [u8; BYTES]) {
    put_f16(b, 0, to_f16(d).0);
    b[2..].copy_from_slice(&pack_nibbles(q));
}

/// Low nibbles are the first 16 values, high nibbles the last.
#[inline(always)]
pub(super) fn unpack_nibbles(bytes: &[u8; LEN / 2], q: &mut [u8; LEN]) {
    for i in 0..LEN / 2 {
        (q[i], q[i + LEN / 2]) = (bytes[i] & 15, bytes[i] >> 4);
    }
}

pub(super) fn pack_nibbles(q: &[u8; LEN]) -> [u8; LEN / 2] {
    std::array::from_fn(|i| q[i] & 15 | q[i + LEN / 2] << 4)
}
