//! NVFP4: 64 values of 4 bits in groups of 16, `w = s v[q]` with the floats `v` of MXFP4 and scales
//! of 8 bits, E4M3 without a sign. 4.5 bits a value. The matrix may have one more scale, a tensor
//! of its own.
//!
//! - bytes 0..4: `s` of four groups, bias 7; 0x7f is 0
//! - bytes 4..36: 8 bytes a group, `q[i]` in the low, `q[i + 8]` in the high nibble

use super::mxfp4::DOUBLED;

pub(super) const BYTES: usize = GROUPS + LEN / 2;
pub(super) const LEN: usize = 64;
const GROUPS: usize = LEN / 16;
const _: () = assert!(BYTES == 36);

/// E4M3 read as f32 has its exponent 120 too small; half of it, since `v` is doubled.
pub(crate) const SCALE_UNIT: f32 = f32::from_bits((127 + 119) << 23);

#[inline(always)]
pub(super) fn unpack(b: &[u8; BYTES], q: &mut [u8; LEN], scales: &mut [f32; GROUPS]) {
    let packed = b[GROUPS..].as_chunks::<8>().0;
    for (g, (packed, q)) in packed.iter().zip(q.as_chunks_mut::<16>().0).enumerate() {
        // The product also normalises subnormals.
        let bits = if b[g] == 0x7f { 0 } else { u32::from(b[g] & 0x7f) };
        scales[g] = f32::from_bits(bits << 20) * SCALE_UNIT;
        for i in 0..8 {
            q[i] = DOUBLED[usize::from(packed[i] & 15)] as u8;
            q[i + 8] = DOUBLED[usize::from(packed[i] >> 4)] as u8;
        }
    }
}
