//! A row in each lane: reading the same bytes of each.

use std::marker::PhantomData;

use super::format::Block;
use crate::arch::x86_64::prefetch::{Ahead, Cache};
use crate::arch::x86_64::words::Words;

/// The current block of as many consecutive weight rows as a register has lanes.
pub(in super::super) struct Rows<L, F> {
    pub(super) lanes: L,
    start: *const u8,
    row_bytes: usize,
    /// Where in memory to ask for the next panel while reading this one.
    ahead: Ahead,
    format: PhantomData<F>,
}

impl<L: Words, F: Block> Rows<L, F> {
    /// # Safety
    /// A block can be read at `start + r * row_bytes` for `r < L::N` while this lives.
    #[inline(always)]
    pub(super) unsafe fn new(lanes: L, start: *const u8, row_bytes: usize) -> Self {
        Self { lanes, start, row_bytes, ahead: Ahead::new(start, Cache::L1), format: PhantomData }
    }

    /// Lets every read ask for as many bytes from `ahead` on as it reads here: requests spread
    /// evenly leave the memory busy and the arithmetic undisturbed.
    #[inline(always)]
    pub(super) fn prefetching(self, ahead: Ahead) -> Self {
        Self { ahead, ..self }
    }

    /// Asks for the next `n_bytes` bytes, for each row, of what lies ahead.
    #[inline(always)]
    fn prefetch(&mut self, n_bytes: usize) {
        self.ahead.fetch(L::N * n_bytes);
    }

    /// Bytes `at..at + 16` of each row: word `j` of all rows in register `j`.
    #[inline(always)]
    pub(super) fn words4(&mut self, at: usize) -> [L::Ints; 4] {
        let lanes = self.lanes;
        let [a, b, c, d] = self.fourths(at, 16);
        let (ab, cd) = (lanes.low_words(a, b), lanes.low_words(c, d));
        let (ab_high, cd_high) = (lanes.high_words(a, b), lanes.high_words(c, d));
        [
            lanes.low_pairs(ab, cd),
            lanes.high_pairs(ab, cd),
            lanes.low_pairs(ab_high, cd_high),
            lanes.high_pairs(ab_high, cd_high),
        ]
    }

    /// Bytes `at..at + 4` of each row, where 12 more bytes of the block follow.
    #[inline(always)]
    pub(super) fn words(&mut self, at: usize) -> L::Ints {
        self.words2(at, 4)[0]
    }

    /// Bytes `at..at + 8` of each row, of which `n_bytes` are new, where 8 more bytes of the block
    /// follow.
    #[inline(always)]
    pub(super) fn words2(&mut self, at: usize, n_bytes: usize) -> [L::Ints; 2] {
        let lanes = self.lanes;
        let [a, b, c, d] = self.fourths(at, n_bytes);
        let (ab, cd) = (lanes.low_words(a, b), lanes.low_words(c, d));
        [lanes.low_pairs(ab, cd), lanes.high_pairs(ab, cd)]
    }

    /// Bytes `at..at + 16` of rows `r`, `r + 4` and so on in 128 bits each of register `r`.
    #[inline(always)]
    fn fourths(&mut self, at: usize, n_bytes: usize) -> [L::Ints; 4] {
        assert!(at + 16 <= F::BYTES);
        self.prefetch(n_bytes);
        let mut registers = [self.lanes.spread_int(0); 4];
        for r in 0..4 {
            // SAFETY: the assertion and the contract of `new`.
            registers[r] = unsafe {
                let from = self.start.add(r * self.row_bytes + at);
                self.lanes.load_fourth_rows(from, self.row_bytes)
            };
        }
        registers
    }

    /// The f16 at byte `at` of each row, where 14 more bytes of the block follow.
    #[inline(always)]
    pub(super) fn f16(&mut self, at: usize) -> L::Floats {
        self.prefetch(2);
        self.load_f16_pairs(at).0
    }

    /// The f16 at byte `at` of each row and the one behind it, where 12 more bytes of the block
    /// follow.
    #[inline(always)]
    pub(super) fn f16_pair(&mut self, at: usize) -> (L::Floats, L::Floats) {
        self.prefetch(4);
        self.load_f16_pairs(at)
    }

    /// Byte `at` of each row as a word, where 15 more bytes of the block follow.
    #[inline(always)]
    pub(super) fn byte(&mut self, at: usize) -> L::Ints {
        assert!(at + 16 <= F::BYTES);
        self.prefetch(1);
        // SAFETY: the assertion and the contract of `new`.
        let halves = unsafe { self.lanes.load_halves(self.start.add(at), self.row_bytes) };
        self.lanes.and(halves, self.lanes.spread_int(255))
    }

    #[inline(always)]
    fn load_f16_pairs(&self, at: usize) -> (L::Floats, L::Floats) {
        assert!(at + 16 <= F::BYTES);
        // SAFETY: the assertion and the contract of `new`.
        unsafe { self.lanes.load_f16_pairs(self.start.add(at), self.row_bytes) }
    }

    /// The last 4 bytes of the block.
    #[inline(always)]
    pub(super) fn last_word(&mut self) -> L::Ints {
        self.last_words2(4)[1]
    }

    /// The last 8 bytes of the block, of which `n_bytes` are new.
    #[inline(always)]
    pub(super) fn last_words2(&mut self, n_bytes: usize) -> [L::Ints; 2] {
        let lanes = self.lanes;
        let [a, b, c, d] = self.fourths(F::BYTES - 16, n_bytes);
        let (ab, cd) = (lanes.high_words(a, b), lanes.high_words(c, d));
        [lanes.low_pairs(ab, cd), lanes.high_pairs(ab, cd)]
    }
}
