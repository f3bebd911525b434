//! Q3_K: 256 values of 3 bits in groups of 16, `w = d (s - 32) (q - 4)`. 3.4375 bits a value.
//!
//! - bytes 0..32: bit 2 of `q[32 j + l]` in bit `j` of byte `l`
//! - bytes 32..96: bits 0..2, stored as in Q2_K
//! - bytes 96..108: 16 scales `s` of 6 bits: bits 0..4 of `s[i]` in the low, of `s[i + 8]` in the
//!   high nibble of byte `i < 8`; bits 4..6 of `s[4 j + i]` in bits `2j..2j+2` of byte `8 + i`
//! - bytes 108..110: `d`, f16

use super::fit::{extreme, nearest, symmetric, to_f16};
use super::float::{f16_at, put_f16};
use super::q2_k::{pack_pairs, unpack_pairs};

pub(super) const BYTES: usize = LEN / 8 + LEN / 4 + 12 + 2;
pub(super) const LEN: usize = 256;
const GROUPS: usize = LEN / 16;
const _: () = assert!(BYTES == 110);

#[inline(always)]
pub(super) fn unpack(
    b: &[u8; BYTES],
    q: &mut [u8; LEN],
    scales: &mut [f32; GROUPS],
    mins: &mut [f32; GROUPS],
) {
    let d = f16_at(b, 108);
    let codes = unpack_scales(b[96..].first_chunk().expect("12 bytes"));
    for g in 0..GROUPS {
        scales[g] = d * f32::from(codes[g] as i8 - 32);
        mins[g] = 4.0 * scales[g];
    }
    unpack_pairs(b[32..].first_chunk().expect("64 bytes"), q);
    for (j, q) in q.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        for l in 0..32 {
            q[l] |= (b[l] >> j & 1) << 2;
        }
    }
}

pub(super) fn encode(x: &[f32; LEN], b: &mut [u8; BYTES]) {
    let mut fits = [0.0; GROUPS];
    fits.iter_mut().zip(x.chunks(16)).for_each(|(fit, x)| *fit = symmetric(x, 4));
    let (d_bits, d) = to_f16(-extreme(&fits) / 32.0);
    let codes = fits.map(|scale| nearest(scale, d, 32.0 * d, 63));
    let mut quants = [0; LEN];
    for (col, q) in quants.iter_mut().enumerate() {
        let scale = d * (f32::from(codes[col / 16]) - 32.0);
        *q = nearest(x[col], scale, 4.0 * scale, 7);
    }
    for l in 0..32 {
        b[l] = (0..8).fold(0, |byte, j| byte | (quants[32 * j + l] >> 2) << j);
    }
    b[32..96].copy_from_slice(&pack_pairs(&quants));
    b[96..108].copy_from_slice(&pack_scales(&codes));
    put_f16(b, 108, d_bits);
}

#[inline(always)]
fn unpack_scales(bytes: &[u8; 12]) -> [u8; GROUPS] {
    let mut codes = [0; GROUPS];
    for i in 0..8 {
        (codes[i], codes[i + 8]) = (bytes[i] & 15, bytes[i] >> 4);
    }
    for g in 0..GROUPS {
        codes[g] |= (bytes[8 + g % 4] >> (2 * (g / 4)) & 3) << 4;
    }
    codes
}

fn pack_scales(codes: &[u8; GROUPS]) -> [u8; 12] {
    let mut bytes = [0; 12];
    for i in 0..8 {
        bytes[i] = codes[i] & 15 | codes[i + 8] << 4;
    }
    for g in 0..GROUPS {
        bytes[8 + g % 4] |= codes[g] >> 4 << (2 * (g / 4));
    }
    bytes
}
