//! The 12 bytes in which Q4_K and Q5_K keep eight 6-bit scales and eight 6-bit mins.
//!
//! With `s` a scale and `m` a min:
//! - bytes 0..4: `s[i]` in bits 0..6, bits 4..6 of `s[i + 4]` in bits 6..8
//! - bytes 4..8: `m[i]` in bits 0..6, bits 4..6 of `m[i + 4]` in bits 6..8
//! - bytes 8..12: bits 0..4 of `s[i + 4]`, bits 0..4 of `m[i + 4]` in bits 4..8

use super::fit::{affine, nearest, to_f16};

pub(super) const BYTES: usize = 12;
const CODE_MAX: u8 = 63;

#[inline(always)]
pub(super) fn unpack(bytes: &[u8; BYTES]) -> ([u8; 8], [u8; 8]) {
    let (mut scales, mut mins) = ([0; 8], [0; 8]);
    for i in 0..4 {
        let (a, b, c) = (bytes[i], bytes[i + 4], bytes[i + 8]);
        (scales[i], mins[i]) = (a & 63, b & 63);
        (scales[i + 4], mins[i + 4]) = (c & 15 | a >> 6 << 4, c >> 4 | b >> 6 << 4);
    }
    (scales, mins)
}

fn pack(scales: [u8; 8], mins: [u8; 8]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for i in 0..4 {
        bytes[i] = scales[i] | scales[i + 4] >> 4 << 6;
        bytes[i + 4] = mins[i] | mins[i + 4] >> 4 << 6;
        bytes[i + 8] = scales[i + 4] & 15 | (mins[i + 4] & 15) << 4;
    }
    bytes
}

/// What a Q4_K or Q5_K block starts with: `d`, `dmin` and the packed codes, 16 bytes, and the
/// quants that go with them.
pub(super) fn encode(x: &[f32; 256], q_max: u8) -> ([u8; 4 + BYTES], [u8; 256]) {
    let mut fits = [(0.0, 0.0); 8];
    let groups = x.as_chunks::<32>().0;
    fits.iter_mut().zip(groups).for_each(|(fit, x)| *fit = affine(x, q_max));
    let greatest = fits.iter().fold((0.0f32, 0.0f32), |(s, m), f| (s.max(f.0), m.max(f.1)));
    let (d_bits, d) = to_f16(greatest.0 / f32::from(CODE_MAX));
    let (dmin_bits, dmin) = to_f16(greatest.1 / f32::from(CODE_MAX));
    let scales = fits.map(|fit| nearest(fit.0, d, 0.0, CODE_MAX));
    let mins = fits.map(|fit| nearest(fit.1, dmin, 0.0, CODE_MAX));

    let mut header = [0; 4 + BYTES];
    header[..2].copy_from_slice(&d_bits.to_le_bytes());
    header[2..4].copy_from_slice(&dmin_bits.to_le_bytes());
    header[4..].copy_from_slice(&pack(scales, mins));
    let mut quants = [0; 256];
    for (col, q) in quants.iter_mut().enumerate() {
        let (scale, min) = (d * f32::from(scales[col / 32]), dmin * f32::from(mins[col / 32]));
        *q = nearest(x[col], scale, min, q_max);
    }
    (header, quants)
}

#[cfg(test)]
mod tests {
    #[test]
    fn unpack_inverts_pack() {
        let scales = [0, 1, 62, 63, 33, 16, 15, 48];
        let mins = [63, 17, 0, 31, 32, 5, 60, 1];
        assert_eq!(super::unpack(&super::pack(scales, mins)), (scales, mins));
    }
}
