//! Eight rows side by side: reading the same bytes of each, and what becomes of their values.

use std::arch::x86_64::*;

use crate::PANEL_ROWS;
use crate::arch::x86_64::prefetch::prefetch;

pub(super) const N_ROWS: usize = PANEL_ROWS / 2;

/// The current block, of `BYTES` bytes, of eight consecutive weight rows.
#[derive(Clone, Copy)]
pub(super) struct Rows<const BYTES: usize> {
    start: *const u8,
    row_bytes: usize,
    /// Where in memory to ask for the next panel while reading this one.
    ahead: *const u8,
}

/// Takes one block of eight rows in integer form, a row in each lane, its parts in any order:
/// `LEN` columns in groups of `GROUP`, quants `0..=Q_MAX` with mins, or int8 without where that is
/// `int_panel::SIGNED`.
///
/// Methods are inlined into functions that have the instructions; who makes a `Lanes` has checked
/// that they exist.
pub(super) trait Lanes<const LEN: usize, const GROUP: usize, const Q_MAX: i32> {
    /// Columns `PART * part..PART * (part + 1)`, four to a register.
    fn set_quants(&mut self, part: usize, quants: [__m256i; 4]);
    fn set_scales(&mut self, g: usize, scales: __m256);
    fn set_mins(&mut self, g: usize, mins: __m256);
}

/// Columns that `words4` reads, and so the fewest that a `Lanes` takes.
pub(super) const PART: usize = 16;

impl<const BYTES: usize> Rows<BYTES> {
    /// # Safety
    /// `BYTES` bytes can be read at `start + r * row_bytes` for `r < 8` while this lives.
    pub(super) unsafe fn new(start: *const u8, row_bytes: usize) -> Self {
        Self { start, row_bytes, ahead: start }
    }

    /// Lets every read ask for as many bytes from `ahead` on as it reads here: requests spread
    /// evenly leave the memory busy and the arithmetic undisturbed.
    pub(super) fn prefetching(self, ahead: *const u8) -> Self {
        Self { ahead, ..self }
    }

    /// Asks for the next `8 * n_bytes` bytes of what lies ahead.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn prefetch(&mut self, n_bytes: usize) {
        prefetch(self.ahead, N_ROWS * n_bytes);
        self.ahead = self.ahead.wrapping_add(N_ROWS * n_bytes);
    }

    /// Bytes `at..at + 16` of each row: word `j` of all rows in register `j`.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn words4(&mut self, at: usize) -> [__m256i; 4] {
        let [a, b, c, d] = self.pairs(at, 16);
        let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
        let (ab_high, cd_high) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
        [
            _mm256_unpacklo_epi64(ab, cd),
            _mm256_unpackhi_epi64(ab, cd),
            _mm256_unpacklo_epi64(ab_high, cd_high),
            _mm256_unpackhi_epi64(ab_high, cd_high),
        ]
    }

    /// Bytes `at..at + 4` of each row, where 12 more bytes of the block follow.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn words(&mut self, at: usize) -> __m256i {
        self.words2(at, 4)[0]
    }

    /// Bytes `at..at + 8` of each row, of which `n_bytes` are new, where 8 more bytes of the block
    /// follow.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn words2(&mut self, at: usize, n_bytes: usize) -> [__m256i; 2] {
        let [a, b, c, d] = self.pairs(at, n_bytes);
        let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
        [_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd)]
    }

    /// Bytes `at..at + 16` of row `r` in the low and of row `r + 4` in the high half of register
    /// `r`.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn pairs(&mut self, at: usize, n_bytes: usize) -> [__m256i; 4] {
        assert!(at + 16 <= BYTES);
        self.prefetch(n_bytes);
        [0, 1, 2, 3].map(|r| {
            // SAFETY: the assertion and the contract of `new`; loads need no alignment.
            unsafe {
                let low = self.start.add(r * self.row_bytes + at);
                let high = low.add(4 * self.row_bytes);
                _mm256_set_m128i(_mm_loadu_si128(high.cast()), _mm_loadu_si128(low.cast()))
            }
        })
    }

    /// The f16 at byte `at` of each row, where 14 more bytes of the block follow.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn f16(&mut self, at: usize) -> __m256 {
        self.prefetch(2);
        self.halves(at).0
    }

    /// The f16 at byte `at` of each row and the one behind it, where 12 more bytes of the block
    /// follow.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn f16_pair(&mut self, at: usize) -> (__m256, __m256) {
        self.prefetch(4);
        self.halves(at)
    }

    /// Both f16 of `f16_pair`, by halves of registers: cheaper than joining the rows first.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn halves(&self, at: usize) -> (__m256, __m256) {
        assert!(at + 16 <= BYTES);
        // SAFETY: the assertion and the contract of `new`; loads need no alignment.
        let row =
            |r: usize| unsafe { _mm_loadu_si128(self.start.add(r * self.row_bytes + at).cast()) };
        // The first f16 of four rows, then the second.
        let four = |r: usize| {
            let first_two = _mm_unpacklo_epi16(row(r), row(r + 1));
            _mm_unpacklo_epi32(first_two, _mm_unpacklo_epi16(row(r + 2), row(r + 3)))
        };
        let (top, bottom) = (four(0), four(4));
        let first = _mm256_cvtph_ps(_mm_unpacklo_epi64(top, bottom));
        (first, _mm256_cvtph_ps(_mm_unpackhi_epi64(top, bottom)))
    }

    /// The last 4 bytes of the block.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn last_word(&mut self) -> __m256i {
        let [a, b, c, d] = self.pairs(BYTES - 16, 4);
        _mm256_unpackhi_epi64(_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d))
    }
}

/// The low and the high half of each word, both f16.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn f16_pairs(words: __m256i) -> (__m256, __m256) {
    let order = _mm256_setr_epi8(
        0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7,
        10, 11, 14, 15,
    );
    // The shuffle works in 128-bit halves: put rows 0..8 of the low parts first.
    let packed = _mm256_shuffle_epi8(words, order);
    let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
    let low = _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
    (low, _mm256_cvtph_ps(_mm256_extracti128_si256::<1>(packed)))
}
