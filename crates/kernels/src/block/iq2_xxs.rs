//! IQ2_XXS: 256 values in groups of 32, eight together from a grid of 256 points, with signs of
//! which an even number is negative, `w = d (s / 4 + 1/8) v[q]`. 2.0625 bits a value.
//!
//! - bytes 0..2: `d`, f16
//! - bytes 2..66: for each group a word of four indices, 8 bits each, and a word of four times 7
//!   signs and, in its last 4 bits, `s`

use super::codebook::{IQ2_VALUES, IQ2_XXS, even_signs, unpack_signed, word_at};
use super::float::f16_at;

pub(super) const BYTES: usize = 2 + 8 * GROUPS;
pub(super) const LEN: usize = 256;
const GROUPS: usize = LEN / 32;
const _: () = assert!(BYTES == 66);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scales: &mut [f32; GROUPS]) {
    let d = f16_at(b, 0);
    for g in 0..GROUPS {
        let (indices, last) = (word_at(b, 2 + 8 * g).to_le_bytes(), word_at(b, 6 + 8 * g));
        scales[g] = d * ((last >> 28) as f32 * 0.25 + 0.125);
        let eights = q[32 * g..].as_chunks_mut::<8>().0;
        for (l, (idx, q)) in indices.into_iter().zip(eights).enumerate() {
            let signs = even_signs((last >> (7 * l) & 0x7f) as u8);
            unpack_signed(IQ2_XXS[usize::from(idx)], signs, &IQ2_VALUES, q);
        }
    }
}
