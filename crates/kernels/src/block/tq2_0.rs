//! TQ2_0: 256 values of 2 bits, meant for three, `w = d (q - 1)`. 2.0625 bits a value.
//!
//! - bytes 0..64: stored as in Q2_K
//! - bytes 64..66: `d`, f16

use super::float::f16_at;
use super::q2_k::unpack_pairs;

pub(super) const BYTES: usize = LEN / 4 + 2;
pub(super) const LEN: usize = 256;
const GROUPS: usize = LEN / 32;
const _: () = assert!(BYTES == 66);

#[inline(always)]
pub(super) fn unpack(
    b: &[u8; BYTES],
    q: &mut [u8; LEN],
    scales: &mut [f32; GROUPS],
    mins: &mut [f32; GROUPS],
) {
    let d = f16_at(b, 64);
    (*scales, *mins) = ([d; GROUPS], [d; GROUPS]);
    unpack_pairs(b.first_chunk().expect("64 bytes"), q);
}
