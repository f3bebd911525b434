//! Q6_K: 256 values of 6 bits in groups of 16, `w = d s (q - 32)`. 6.5625 bits a value.
//!
//! The values are two halves of 128, each of four runs `r` of 32. In half `n`:
//! - bytes 64 n..64 n + 64: bits 0..4 of runs 0 and 1 in the low, of runs 2 and 3 in the high
//!   nibbles
//! - bytes 128 + 32 n..160 + 32 n: bits 4..6 of `q` of run `r` in bits `2r..2r+2`
//!
//! and for the block:
//! - bytes 192..208: `s` of 16 groups, int8
//! - bytes 208..210: `d`, f16

use super::fit::{extreme, nearest, nearest_i8, symmetric, to_f16};
use super::float::{f16_at, put_f16};

pub(super) const BYTES: usize = LEN / 2 + LEN / 4 + GROUPS + 2;
pub(super) const LEN: usize = 256;
const GROUPS: usize = LEN / 16;
const _: () = assert!(BYTES == 210);

#[inline(always)]
pub(super) fn unpack(
    b: &[u8; BYTES],
    q: &mut [u8; LEN],
    scales: &mut [f32; GROUPS],
    mins: &mut [f32; GROUPS],
) {
    let d = f16_at(b, 208);
    for g in 0..GROUPS {
        scales[g] = d * f32::from(b[192 + g] as i8);
        mins[g] = 32.0 * scales[g];
    }
    for (n, q) in q.as_chunks_mut::<128>().0.iter_mut().enumerate() {
        let low: &[u8; 64] = b[64 * n..].first_chunk().expect("64 bytes");
        let high: &[u8; 32] = b[128 + 32 * n..].first_chunk().expect("32 bytes");
        for l in 0..32 {
            q[l] = low[l] & 15 | (high[l] & 3) << 4;
            q[l + 32] = low[l + 32] & 15 | (high[l] >> 2 & 3) << 4;
            q[l + 64] = low[l] >> 4 | (high[l] >> 4 & 3) << 4;
            q[l + 96] = low[l + 32] >> 4 | (high[l] >> 6) << 4;
        }
    }
}

pub(super) fn encode(x: &[f32; LEN], b: &mut [u8; BYTES]) {
    let mut fits = [0.0; GROUPS];
    fits.iter_mut().zip(x.chunks(16)).for_each(|(fit, x)| *fit = symmetric(x, 32));
    let (d_bits, d) = to_f16(-extreme(&fits) / 128.0);
    let codes = fits.map(|scale| nearest_i8(scale, d));
    let mut quants = [0; LEN];
    for (col, q) in quants.iter_mut().enumerate() {
        let scale = d * f32::from(codes[col / 16]);
        *q = nearest(x[col], scale, 32.0 * scale, 63);
    }
    for (n, q) in quants.as_chunks::<128>().0.iter().enumerate() {
        for l in 0..32 {
            b[64 * n + l] = q[l] & 15 | q[l + 64] << 4;
            b[64 * n + 32 + l] = q[l + 32] & 15 | q[l + 96] << 4;
            b[128 + 32 * n + l] = (0..4).fold(0, |byte, r| byte | q[32 * r + l] >> 4 << (2 * r));
        }
    }
    b[192..208].copy_from_slice(&codes.map(|s| s as u8));
    put_f16(b, 208, d_bits);
}
