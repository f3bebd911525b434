//! Q2_0: 64 values of 2 bits, `w = d (q - 1)`. 2.25 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..18: `q[4 i + j]` in bits `2j..2j+2` of byte `i`
//!
//! Files from before the format was settled have blocks of 128 values under the same number; sizes
//! of their tensors tell them apart.

use super::float::f16_at;

pub(super) const BYTES: usize = 2 + LEN / 4;
pub(super) const LEN: usize = 64;
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
    (*scales, *mins) = ([d; GROUPS], [d; GROUPS]);
    for (byte, q) in b[2..].iter().zip(q.as_chunks_mut::<4>().0) {
        for j in 0..4 {
            q[j] = byte >> (2 * j) & 3;
        }
    }
}
