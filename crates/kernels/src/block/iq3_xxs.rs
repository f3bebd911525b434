//! IQ3_XXS: 256 values in groups of 32, four together from a grid of 256 points, with signs of
//! which an even number in eight is negative, `w = d (s / 2 + 1/4) v[q]`. 3.0625 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..66: 64 indices
//! - bytes 66..98: for each group four times 7 signs and, in the last 4 bits, `s`

use super::codebook::{IQ3_XXS, IQ3_XXS_VALUES, even_signs, unpack_signed, word_at};
use super::float::f16_at;

pub(super) const BYTES: usize = 2 + LEN / 4 + 4 * GROUPS;
pub(super) const LEN: usize = 256;
const GROUPS: usize = LEN / 32;
const _: () = assert!(BYTES == 98);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scales: &mut [f32; GROUPS]) {
    let d = f16_at(b, 0);
    for g in 0..GROUPS {
        let last = word_at(b, 66 + 4 * g);
        scales[g] = d * ((last >> 28) as f32 * 0.5 + 0.25);
        let indices = b[2 + 8 * g..].as_chunks::<2>().0;
        let eights = q[32 * g..][..32].as_chunks_mut::<8>().0;
        for (l, (q, idx)) in eights.iter_mut().zip(indices).enumerate() {
            let codes = IQ3_XXS[usize::from(idx[0])] | IQ3_XXS[usize::from(idx[1])] << 4;
            let signs = even_signs((last >> (7 * l) & 0x7f) as u8);
            unpack_signed(codes, signs, &IQ3_XXS_VALUES, q);
        }
    }
}
