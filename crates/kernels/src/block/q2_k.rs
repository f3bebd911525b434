//! Q2_K: 256 values of 2 bits in groups of 16, `w = d s q - dmin m`. 2.625 bits a value.
//!
//! - bytes 0..16: per group, `s` in the low, `m` in the high nibble
//! - bytes 16..80: two halves of 32 bytes; bits `2j..2j+2` of byte `l` of half `n` hold
//!   `q[128 n + 32 j + l]`
//! - bytes 80..82: `d`, f16
//! - bytes 82..84: `dmin`, f16

use super::fit::{affine, nearest, to_f16};
use super::float::{f16_at, put_f16};

pub(super) const BYTES: usize = GROUPS + LEN / 4 + 4;
pub(super) const LEN: usize = 256;
const GROUPS: usize = LEN / 16;
const _: () = assert!(BYTES == 84);

#[inline(always)]
pub(super) fn unpack(
    b: &[u8; BYTES],
    q: &mut [u8; LEN],
    scales: &mut [f32; GROUPS],
    mins: &mut [f32; GROUPS],
) {
    let (d, dmin) = (f16_at(b, 80), f16_at(b, 82));
    for g in 0..GROUPS {
        scales[g] = d * f32::from(b[g] & 15);
        mins[g] = dmin * f32::from(b[g] >> 4);
    }
    unpack_pairs(b[16..].first_chunk().expect("64 bytes"), q);
}

pub(super) fn encode(x: &[f32; LEN], b: &mut [u8; BYTES]) {
    let mut fits = [(0.0, 0.0); GROUPS];
    fits.iter_mut().zip(x.chunks(16)).for_each(|(fit, x)| *fit = affine(x, 3));
    let greatest = fits.iter().fold((0.0f32, 0.0f32), |(s, m), f| (s.max(f.0), m.max(f.1)));
    let (d_bits, d) = to_f16(greatest.0 / 15.0);
    let (dmin_bits, dmin) = to_f16(greatest.1 / 15.0);
    put_f16(b, 80, d_bits);
    put_f16(b, 82, dmin_bits);
    let mut quants = [0; LEN];
    for g in 0..GROUPS {
        let (s, m) = (nearest(fits[g].0, d, 0.0, 15), nearest(fits[g].1, dmin, 0.0, 15));
        b[g] = s | m << 4;
        for col in 16 * g..16 * (g + 1) {
            quants[col] = nearest(x[col], d * f32::from(s), dmin * f32::from(m), 3);
        }
    }
    b[16..80].copy_from_slice(&pack_pairs(&quants));
}

/// The two low bits of 256 quants, as Q2_K and Q3_K store them.
#[inline(always)]
pub(super) fn unpack_pairs(bytes: &[u8; LEN / 4], q: &mut [u8; LEN]) {
    for (half, q) in bytes.as_chunks::<32>().0.iter().zip(q.as_chunks_mut::<128>().0) {
        for (j, q) in q.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for l in 0..32 {
                q[l] = half[l] >> (2 * j) & 3;
            }
        }
    }
}

pub(super) fn pack_pairs(q: &[u8; LEN]) -> [u8; LEN / 4] {
    std::array::from_fn(|i| {
        let (n, l) = (i / 32, i % 32);
        (0..4).fold(0, |byte, j| byte | (q[128 * n + 32 * j + l] & 3) << (2 * j))
    })
}
