//! MXFP4: 32 values of 4 bits, `w = 2^(e - 127) v[q]` with the floats `v` of 4 bits, E2M1 (OCP
//! Microscaling Formats 1.0, section 5.3). 4.25 bits a value.
//!
//! - byte 0: `e`, E8M0; that 255 is no number is not heeded in GGUF
//! - bytes 1..17: `q[i]` in the low, `q[i + 16]` in the high nibble

use super::q4_0::unpack_nibbles;

/// E2M1 by its bits, doubled so that all are integers.
pub(crate) const DOUBLED: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

pub(super) const BYTES: usize = 1 + LEN / 2;
pub(super) const LEN: usize = 32;
const _: () = assert!(BYTES == 17);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scale: &mut [f32; 1]) {
    *scale = [half_of_e8m0(b[0])];
    unpack_nibbles(b[1..].first_chunk().expect("16 bytes"), q);
    q.iter_mut().for_each(|q| *q = DOUBLED[usize::from(*q & 15)] as u8);
}

/// `2^(e - 128)`, in two factors: the least are subnormal.
#[inline(always)]
fn half_of_e8m0(e: u8) -> f32 {
    let low = u32::from(e / 2);
    let high = u32::from(e) - low;
    f32::from_bits((low + 63) << 23) * f32::from_bits((high + 63) << 23)
}
