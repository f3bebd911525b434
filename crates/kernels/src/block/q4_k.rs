//! Q4_K: 256 values of 4 bits in groups of 32, `w = d s q - dmin m`. 4.5 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..4: `dmin`, f16
//! - bytes 4..16: `s` and `m` of eight groups, see `k_scales`
//! - bytes 16..144: 32 bytes for every two groups, `q` of the first in the low nibbles, of the
//!   second in the high

use super::float::f16_at;
use super::k_scales;

pub(super) const BYTES: usize = 4 + k_scales::BYTES + LEN / 2;
pub(super) const LEN: usize = 256;
const GROUPS: usize = LEN / 32;
const _: () = assert!(BYTES == 144);

#[inline(always)]
pub(super) fn unpack(
    b: &[u8; BYTES],
    q: &mut [u8; LEN],
    scales: &mut [f32; GROUPS],
    mins: &mut [f32; GROUPS],
) {
    unpack_header(b.first_chunk().expect("16 bytes"), scales, mins);
    unpack_nibbles(b[16..].first_chunk().expect("128 bytes"), q);
}

pub(super) fn encode(x: &[f32; LEN], b: &mut [u8; BYTES]) {
    let (header, quants) = k_scales::encode(x, 15);
    b[..16].copy_from_slice(&header);
    b[16..].copy_from_slice(&pack_nibbles(&quants));
}

#[inline(always)]
pub(super) fn unpack_header(b: &[u8; 16], scales: &mut [f32; GROUPS], mins: &mut [f32; GROUPS]) {
    let (d, dmin) = (f16_at(b, 0), f16_at(b, 2));
    let (s, m) = k_scales::unpack(b[4..].first_chunk().expect("12 bytes"));
    for g in 0..GROUPS {
        scales[g] = d * f32::from(s[g]);
        mins[g] = dmin * f32::from(m[g]);
    }
}

#[inline(always)]
pub(super) fn unpack_nibbles(bytes: &[u8; LEN / 2], q: &mut [u8; LEN]) {
    for (bytes, q) in bytes.as_chunks::<32>().0.iter().zip(q.as_chunks_mut::<64>().0) {
        for l in 0..32 {
            (q[l], q[l + 32]) = (bytes[l] & 15, bytes[l] >> 4);
        }
    }
}

pub(super) fn pack_nibbles(q: &[u8; LEN]) -> [u8; LEN / 2] {
    std::array::from_fn(|i| {
        let col = i / 32 * 64 + i % 32;
        q[col] & 15 | q[col + 32] << 4
    })
}
