//! Q1_0: 128 signs, `w = 2 d q - d`. 1.125 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..18: `q[8 i + j]` in bit `j` of byte `i`

use super::float::f16_at;

pub(super) const BYTES: usize = 2 + LEN / 8;
pub(super) const LEN: usize = 128;
const GROUPS: usize = LEN / 32;
const _: () = assert!(BYTES == 18);

#[inline(always)]
pub(super) fn unpack(
    b: &[u8; BYTES],
    q: &mut [u8; LEN],
    scales: &mut [f32; GROUPS],
    mins: &mut [f32; GROUPS],
) {
    let d = f16_at(b, 0);
    (*scales, *mins) = ([2.0 * d; GROUPS], [d; GROUPS]);
    for (byte, q) in b[2..].iter().zip(q.as_chunks_mut::<8>().0) {
        for j in 0..8 {
            q[j] = byte >> j & 1;
        }
    }
}
