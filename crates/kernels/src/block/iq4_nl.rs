//! IQ4_NL: 32 indices of 4 bits into a table of 16 values, `w = d v[q]`. 4.5 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..18: `q[i]` in the low, `q[i + 16]` in the high nibble

use super::fit::{extreme, to_f16};
use super::float::{f16_at, put_f16};
use super::q4_0::{pack_nibbles, unpack_nibbles};

/// The table `v`, part of the format: finer near zero, where weights are dense.
pub(crate) const VALUES: [i8; 16] =
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

pub(super) const BYTES: usize = 2 + LEN / 2;
pub(super) const LEN: usize = 32;
const _: () = assert!(BYTES == 18);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scale: &mut [f32; 1]) {
    *scale = [f16_at(b, 0)];
    unpack_values(b[2..].first_chunk().expect("16 bytes"), q);
}

pub(super) fn encode(x: &[f32; LEN], b: &mut [u8; BYTES]) {
    let (bits, d) = to_f16(start_scale(x));
    put_f16(b, 0, bits);
    b[2..].copy_from_slice(&pack_nibbles(&x.map(|x| nearest_idx(x, d))));
}

/// Table values, as signed bytes, of 32 packed indices.
#[inline(always)]
pub(super) fn unpack_values(bytes: &[u8; LEN / 2], q: &mut [u8; LEN]) {
    unpack_nibbles(bytes, q);
    q.iter_mut().for_each(|q| *q = VALUES[usize::from(*q & 15)] as u8);
}

/// Puts the extreme value on the table's longer end.
pub(super) fn start_scale(x: &[f32]) -> f32 {
    extreme(x) / f32::from(VALUES[0])
}

pub(super) fn nearest_idx(x: f32, scale: f32) -> u8 {
    let error = |v: i8| (f64::from(scale) * f64::from(v) - f64::from(x)).abs();
    let best = (0..16).min_by(|&a, &b| error(VALUES[a]).total_cmp(&error(VALUES[b])));
    best.expect("the table is not empty") as u8
}
