//! Four rows side by side: reading the same bytes of each, and writing their values to a panel.

use std::arch::aarch64::*;

use super::super::half::widen;
use super::super::registers::{load_u8, load_u16, load_u32, store_rows, store_step};
use crate::{RowValues, Step};

/// The current block of four consecutive weight rows.
pub(super) struct Rows<'a, const BYTES: usize>(pub(super) [&'a [u8; BYTES]; 4]);

/// Where the block goes: rows `4 quarter..4 quarter + 4` of its part of a panel.
pub(super) struct Lanes<'a, const STEPS: usize, const GROUPS: usize> {
    pub(super) quants: &'a mut [Step; STEPS],
    pub(super) scales: &'a mut [RowValues; GROUPS],
    /// Not written by formats without mins.
    pub(super) mins: &'a mut [RowValues; GROUPS],
    pub(super) quarter: usize,
}

impl<const BYTES: usize> Rows<'_, BYTES> {
    /// Bytes `at..at + 16` of each row: word `j` of all rows in register `j`.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn words4(&self, at: usize) -> [uint8x16_t; 4] {
        let rows = self.0.map(|row| load_u8(row[at..].first_chunk().expect("16 bytes")));
        let [a, b, c, d] = rows.map(|row| vreinterpretq_u32_u8(row));
        let even = |a, b| vreinterpretq_u64_u32(vtrn1q_u32(a, b));
        let odd = |a, b| vreinterpretq_u64_u32(vtrn2q_u32(a, b));
        let words = [
            vtrn1q_u64(even(a, b), even(c, d)),
            vtrn1q_u64(odd(a, b), odd(c, d)),
            vtrn2q_u64(even(a, b), even(c, d)),
            vtrn2q_u64(odd(a, b), odd(c, d)),
        ];
        words.map(|words| vreinterpretq_u8_u64(words))
    }

    /// Bytes `at..at + 4` of each row.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn words(&self, at: usize) -> uint32x4_t {
        let word =
            |row: &[u8; BYTES]| u32::from_le_bytes(*row[at..].first_chunk().expect("4 bytes"));
        load_u32(&self.0.map(word))
    }

    /// The f16 at byte `at` of each row.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn f16(&self, at: usize) -> float32x4_t {
        let half =
            |row: &[u8; BYTES]| u16::from_le_bytes(*row[at..].first_chunk().expect("2 bytes"));
        widen(load_u16(&self.0.map(half)))
    }

    /// The two f16 from byte `at` on of each row.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn f16_pairs(&self, at: usize) -> [float32x4_t; 2] {
        f16_pairs(self.words(at))
    }
}

impl<const STEPS: usize, const GROUPS: usize> Lanes<'_, STEPS, GROUPS> {
    /// Columns `16 * part..16 * (part + 1)`, four to a register.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn set_quants(&mut self, part: usize, quants: [uint8x16_t; 4]) {
        for (i, quants) in quants.into_iter().enumerate() {
            store_step(&mut self.quants[4 * part + i], self.quarter, quants);
        }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn set_scales(&mut self, g: usize, scales: float32x4_t) {
        store_rows(&mut self.scales[g], self.quarter, scales);
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn set_mins(&mut self, g: usize, mins: float32x4_t) {
        store_rows(&mut self.mins[g], self.quarter, mins);
    }
}

/// The low and the high half of each word, both f16.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn f16_pairs(words: uint32x4_t) -> [float32x4_t; 2] {
    [widen(vmovn_u32(words)), widen(vshrn_n_u32::<16>(words))]
}
