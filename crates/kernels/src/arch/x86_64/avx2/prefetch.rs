//! Asking for memory early.

use std::arch::x86_64::*;

const LINE_BYTES: usize = 64;

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn prefetch(bytes: &[u8]) {
    for line in bytes.chunks(LINE_BYTES) {
        _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
    }
}
