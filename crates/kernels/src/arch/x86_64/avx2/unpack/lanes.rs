//! Eight rows side by side: reading the same bytes of each, and what becomes of their values.

use std::arch::x86_64::*;

use crate::PANEL_ROWS;

pub(super) const N_ROWS: usize = PANEL_ROWS / 2;
const LINE_BYTES: usize = 64;

/// The current block, of `BYTES` bytes, of eight consecutive weight rows.
#[derive(Clone, Copy)]
pub(super) struct Rows<const BYTES: usize> {
    start: *const u8,
    row_bytes: usize,
    /// Where in memory to ask for the next panel while reading this one.
    ahead: *const u8,
}

/// `Q_MAX` of int8 quants: the greatest magnitude.
pub(super) const SIGNED: i32 = 128;

/// Takes one block of eight rows in integer form, a row in each lane, its parts in any order:
/// `LEN` columns in groups of `GROUP`, quants `0..=Q_MAX` with mins, or `SIGNED` without.
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
        for at in (0..N_ROWS * n_bytes).step_by(LINE_BYTES) {
            _mm_prefetch::<_MM_HINT_T0>(self.ahead.wrapping_add(at).cast());
        }
        self.ahead = self.ahead.wrapping_add(N_ROWS * n_bytes);
    }

    /// Bytes `at..at + 16` of each row: word `j` of all rows in register `j`.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn words4(&mut self, at: usize) -> [__m256i; 4] {
        assert!(at + 16 <= BYTES);
        self.prefetch(16);
        // SAFETY: the assertion and the contract of `new`; loads need no alignment.
        let load =
            |r: usize| unsafe { _mm_loadu_si128(self.start.add(r * self.row_bytes + at).cast()) };
        let pair = |r: usize| _mm256_set_m128i(load(r + 4), load(r));
        let [a, b, c, d] = [pair(0), pair(1), pair(2), pair(3)];
        let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
        let (ab_high, cd_high) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
        [
            _mm256_unpacklo_epi64(ab, cd),
            _mm256_unpackhi_epi64(ab, cd),
            _mm256_unpacklo_epi64(ab_high, cd_high),
            _mm256_unpackhi_epi64(ab_high, cd_high),
        ]
    }

    /// Bytes `at..at + 4` of each row.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn words(&mut self, at: usize) -> __m256i {
        assert!(at + 4 <= BYTES);
        self.prefetch(4);
        // SAFETY: the assertion and the contract of `new`.
        let word = |r: usize| unsafe {
            self.start.add(r * self.row_bytes + at).cast::<i32>().read_unaligned()
        };
        _mm256_setr_epi32(word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7))
    }

    /// The f16 at byte `at` of each row.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn f16(&mut self, at: usize) -> __m256 {
        assert!(at + 2 <= BYTES);
        self.prefetch(2);
        // SAFETY: the assertion and the contract of `new`.
        let half = |r: usize| unsafe {
            self.start.add(r * self.row_bytes + at).cast::<i16>().read_unaligned()
        };
        _mm256_cvtph_ps(_mm_setr_epi16(
            half(0),
            half(1),
            half(2),
            half(3),
            half(4),
            half(5),
            half(6),
            half(7),
        ))
    }
}

/// The low and the high half of each word, both f16.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn f16_pairs(words: __m256i) -> (__m256, __m256) {
    let low = _mm256_and_si256(words, _mm256_set1_epi32(0xffff));
    let packed = _mm256_packus_epi32(low, _mm256_srli_epi32::<16>(words));
    // The pack works in 128-bit halves: put rows 0..8 of the low parts first.
    let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
    let low = _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
    (low, _mm256_cvtph_ps(_mm256_extracti128_si256::<1>(packed)))
}
