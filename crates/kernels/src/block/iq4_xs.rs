//! IQ4_XS: 256 indices of 4 bits in groups of 32, `w = d (s - 32) v[q]`. 4.25 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..4: bits 4..6 of `s[g]` in bits `2g..2g+2` of a little-endian u16
//! - bytes 4..8: bits 0..4 of `s[2i]` in the low, of `s[2i + 1]` in the high nibble
//! - bytes 8..136: 16 bytes a group, stored as in IQ4_NL, whose table `v` it shares

use super::fit::{extreme, nearest, to_f16};
use super::float::{f16_at, put_f16};
use super::iq4_nl::{nearest_idx, start_scale, unpack_values};
use super::q4_0::pack_nibbles;

pub(super) const BYTES: usize = 2 + 2 + GROUPS / 2 + LEN / 2;
pub(super) const LEN: usize = 256;
const GROUPS: usize = LEN / 32;
const _: () = assert!(BYTES == 136);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scales: &mut [f32; GROUPS]) {
    let d = f16_at(b, 0);
    let high = u16::from_le_bytes([b[2], b[3]]);
    for g in 0..GROUPS {
        let code = b[4 + g / 2] >> (4 * (g % 2)) & 15 | ((high >> (2 * g) & 3) << 4) as u8;
        scales[g] = d * f32::from(code as i8 - 32);
    }
    let packed = b[8..].as_chunks::<16>().0;
    packed.iter().zip(q.as_chunks_mut::<32>().0).for_each(|(b, q)| unpack_values(b, q));
}

pub(super) fn encode(x: &[f32; LEN], b: &mut [u8; BYTES]) {
    let mut fits = [0.0; GROUPS];
    fits.iter_mut().zip(x.chunks(32)).for_each(|(fit, x)| *fit = start_scale(x));
    let (d_bits, d) = to_f16(-extreme(&fits) / 32.0);
    b.fill(0);
    put_f16(b, 0, d_bits);
    let mut high = 0;
    for (g, x) in x.as_chunks::<32>().0.iter().enumerate() {
        let code = nearest(fits[g], d, 32.0 * d, 63);
        high |= u16::from(code >> 4) << (2 * g);
        b[4 + g / 2] |= (code & 15) << (4 * (g % 2));
        let scale = d * (f32::from(code) - 32.0);
        let packed = pack_nibbles(&x.map(|x| nearest_idx(x, scale)));
        b[8 + 16 * g..][..16].copy_from_slice(&packed);
    }
    b[2..4].copy_from_slice(&high.to_le_bytes());
}
