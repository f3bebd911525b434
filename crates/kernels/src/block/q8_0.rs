//! Q8_0: 32 values of 8 bits, `w = d q`. 8.5 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..34: `q[i]`, int8

use super::fit::{extreme, nearest_i8, to_f16};
use super::float::{f16_at, put_f16};

pub(super) const BYTES: usize = 2 + LEN;
pub(super) const LEN: usize = 32;
const _: () = assert!(BYTES == 34);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scale: &mut [f32; 1]) {
    *scale = [f16_at(b, 0)];
    q.copy_from_slice(&b[2..]);
}

pub(super) fn encode(x: &[f32; LEN], b: &mut [u8; BYTES]) {
    let (bits, d) = to_f16(extreme(x).abs() / 127.0);
    put_f16(b, 0, bits);
    b[2..].copy_from_slice(&x.map(|x| nearest_i8(x, d) as u8));
}

pub(super) fn pack(q: &[u8; LEN], d: f32, b: &mut [u8; BYTES]) {
    put_f16(b, 0, to_f16(d).0);
    b[2..].copy_from_slice(q);
}
