//! Asking for memory early.

use std::arch::x86_64::*;

pub(super) const LINE_BYTES: usize = 64;

/// Asks for the lines from `start` on; nothing need be there.
#[inline(always)]
pub(super) fn prefetch(start: *const u8, n_bytes: usize) {
    for at in (0..n_bytes).step_by(LINE_BYTES) {
        // SAFETY: prefetching changes nothing but time, whatever the address, and every x86-64 CPU
        // has the instruction.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at).cast()) };
    }
}

pub(super) fn prefetch_slice(bytes: &[u8]) {
    prefetch(bytes.as_ptr(), bytes.len());
}
