//! Q8_K: 256 values of 8 bits, `w = d q`. 9.125 bits a value; an intermediate format of GGUF tools.
//!
//! - bytes 0..4: `d`, f32
//! - bytes 4..260: `q[i]`, int8
//! - bytes 260..292: sums of 16 consecutive `q`, int16 (redundant, not read)

use super::fit::{extreme, nearest_i8};

pub(super) const BYTES: usize = 4 + LEN + 2 * LEN / 16;
pub(super) const LEN: usize = 256;
const _: () = assert!(BYTES == 292);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scales: &mut [f32; LEN / 32]) {
    *scales = [f32::from_le_bytes(*b.first_chunk().expect("4 bytes")); LEN / 32];
    q.copy_from_slice(&b[4..4 + LEN]);
}

pub(super) fn encode(x: &[f32; LEN], b: &mut [u8; BYTES]) {
    let d = extreme(x).abs() / 127.0;
    let quants = x.map(|x| nearest_i8(x, d));
    b[..4].copy_from_slice(&d.to_le_bytes());
    b[4..4 + LEN].copy_from_slice(&quants.map(|q| q as u8));
    let sums = b[4 + LEN..].as_chunks_mut::<2>().0;
    for (sum, quants) in sums.iter_mut().zip(quants.chunks(16)) {
        *sum = quants.iter().map(|&q| i16::from(q)).sum::<i16>().to_le_bytes();
    }
}
