//! Q5_K: 256 values of 5 bits in groups of 32, `w = d s q - dmin m`. 5.5 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..4: `dmin`, f16
//! - bytes 4..16: `s` and `m` of eight groups, see `k_scales`
//! - bytes 16..48: bit 4 of `q[32 g + l]` in bit `g` of byte `l`
//! - bytes 48..176: bits 0..4, stored as in Q4_K

use super::k_scales;
use super::q4_k::{pack_nibbles, unpack_header, unpack_nibbles};

pub(super) const BYTES: usize = 4 + k_scales::BYTES + LEN / 8 + LEN / 2;
pub(super) const LEN: usize = 256;
const GROUPS: usize = LEN / 32;
const _: () = assert!(BYTES == 176);

#[inline(always)]
pub(super) fn unpack(
    b: &[u8; BYTES],
    q: &mut [u8; LEN],
    scales: &mut [f32; GROUPS],
    mins: &mut [f32; GROUPS],
) {
    unpack_header(b.first_chunk().expect("16 bytes"), scales, mins);
    unpack_nibbles(b[48..].first_chunk().expect("128 bytes"), q);
    let high: &[u8; 32] = b[16..].first_chunk().expect("32 bytes");
    for (g, q) in q.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        for l in 0..32 {
            q[l] |= (high[l] >> g & 1) << 4;
        }
    }
}

pub(super) fn encode(x: &[f32; LEN], b: &mut [u8; BYTES]) {
    let (header, quants) = k_scales::encode(x, 31);
    b[..16].copy_from_slice(&header);
    for l in 0..32 {
        b[16 + l] = (0..GROUPS).fold(0, |byte, g| byte | (quants[32 * g + l] >> 4) << g);
    }
    b[48..].copy_from_slice(&pack_nibbles(&quants));
}
