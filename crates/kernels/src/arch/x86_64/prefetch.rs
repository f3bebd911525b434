//! Asking for memory early.

use std::arch::asm;

pub(super) const LINE_BYTES: usize = 64;

/// A place in memory that is read soon.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    at: *const u8,
    into: Cache,
}

/// How near to the arithmetic a line is brought.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cache {
    L1,
    L2,
}

impl Ahead {
    /// Nothing need be there.
    #[inline(always)]
    pub(super) fn new(at: *const u8, into: Cache) -> Self {
        Self { at, into }
    }

    /// The place `n_bytes` further on.
    #[inline(always)]
    pub(super) fn skip(self, n_bytes: usize) -> Self {
        Self { at: self.at.wrapping_add(n_bytes), ..self }
    }

    /// Asks for the next `n_bytes` bytes.
    #[inline(always)]
    pub(super) fn fetch(&mut self, n_bytes: usize) {
        prefetch(self.into, self.at, n_bytes);
        *self = self.skip(n_bytes);
    }
}

/// Asks for the lines from `start` on; nothing need be there. In assembly, to stay where it is
/// written: the compiler gathers intrinsics at the end of a loop, and requests in a bunch are
/// slower than those spread between the arithmetic.
#[inline(always)]
fn prefetch(into: Cache, start: *const u8, n_bytes: usize) {
    for at in (0..n_bytes).step_by(LINE_BYTES) {
        let line = start.wrapping_add(at);
        // SAFETY: prefetching changes nothing but time, whatever the address, and every x86-64 CPU
        // has the instruction.
        unsafe {
            match into {
                Cache::L1 => {
                    asm!("prefetcht0 [{}]", in(reg) line, options(nostack, preserves_flags));
                }
                Cache::L2 => {
                    asm!("prefetcht1 [{}]", in(reg) line, options(nostack, preserves_flags));
                }
            }
        }
    }
}

pub(super) fn prefetch_slice(bytes: &[u8]) {
    prefetch(Cache::L1, bytes.as_ptr(), bytes.len());
}
