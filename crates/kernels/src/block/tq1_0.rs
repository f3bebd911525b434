//! TQ1_0: 256 values of three, five to a byte, `w = d (q - 1)`. 1.6875 bits a value.
//!
//! A byte holds the fraction `0.q0 q1 q2 q3 q4` of base 3, in steps of 1/256 rounded up.
//! - bytes 0..32: `q[32 n + l]` is digit `n` of byte `l`, `n < 5`
//! - bytes 32..48: `q[160 + 16 n + l]` is digit `n` of byte `32 + l`, `n < 5`
//! - bytes 48..52: `q[240 + 4 n + l]` is digit `n` of byte `48 + l`, `n < 4`
//! - bytes 52..54: `d`, f16

use super::float::f16_at;

pub(super) const BYTES: usize = 32 + 16 + 4 + 2;
pub(super) const LEN: usize = 256;
const GROUPS: usize = LEN / 32;
const _: () = assert!(BYTES == 54);

#[inline(always)]
pub(super) fn unpack(
    b: &[u8; BYTES],
    q: &mut [u8; LEN],
    scales: &mut [f32; GROUPS],
    mins: &mut [f32; GROUPS],
) {
    let d = f16_at(b, 52);
    (*scales, *mins) = ([d; GROUPS], [d; GROUPS]);
    unpack_digits(&b[..32], &mut q[..160]);
    unpack_digits(&b[32..48], &mut q[160..240]);
    unpack_digits(&b[48..52], &mut q[240..]);
}

/// The first digits of all bytes, then the second ones, and so on.
#[inline(always)]
fn unpack_digits(bytes: &[u8], q: &mut [u8]) {
    let mut power = 1u8;
    for q in q.chunks_exact_mut(bytes.len()) {
        for (q, byte) in q.iter_mut().zip(bytes) {
            let rest = u16::from(byte.wrapping_mul(power));
            *q = ((3 * rest) >> 8) as u8;
        }
        power = power.wrapping_mul(3);
    }
}
