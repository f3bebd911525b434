//! Lanes written to memory: eight rows of one block's part of a panel.

use std::arch::x86_64::*;

use super::lanes::{Lanes, PART};
use crate::PANEL_ROWS;

/// Lanes `0..8` or `8..16` of `LEN` columns in groups of `GROUP`.
pub(super) struct PanelLanes<const LEN: usize, const GROUP: usize> {
    quants: *mut u8,
    scales: *mut f32,
    mins: *mut f32,
}

impl<const LEN: usize, const GROUP: usize> PanelLanes<LEN, GROUP> {
    /// # Safety
    /// Pointers are aligned to 32 bytes. While this lives, for `step < LEN / 4` and
    /// `g < LEN / GROUP`, 32 bytes can be written at `quants + 64 * step`, and 8 values at
    /// `scales + 16 * g` and, if used, `mins + 16 * g`.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn new(quants: *mut u8, scales: *mut f32, mins: *mut f32) -> Self {
        Self { quants, scales, mins }
    }
}

impl<const LEN: usize, const GROUP: usize, const Q_MAX: i32> Lanes<LEN, GROUP, Q_MAX>
    for PanelLanes<LEN, GROUP>
{
    #[inline(always)]
    fn set_quants(&mut self, part: usize, quants: [__m256i; 4]) {
        assert!(part < LEN / PART);
        for (i, quants) in quants.into_iter().enumerate() {
            let step = 4 * part + i;
            // SAFETY: the assertion and the contract of `new`, alignment and instructions included.
            unsafe { _mm256_store_si256(self.quants.add(step * 4 * PANEL_ROWS).cast(), quants) };
        }
    }

    #[inline(always)]
    fn set_scales(&mut self, g: usize, scales: __m256) {
        assert!(g < LEN / GROUP);
        // SAFETY: the assertion and the contract of `new`, alignment and instructions included.
        unsafe { _mm256_store_ps(self.scales.add(g * PANEL_ROWS), scales) };
    }

    #[inline(always)]
    fn set_mins(&mut self, g: usize, mins: __m256) {
        assert!(g < LEN / GROUP);
        // SAFETY: the assertion and the contract of `new`, alignment and instructions included.
        unsafe { _mm256_store_ps(self.mins.add(g * PANEL_ROWS), mins) };
    }
}
