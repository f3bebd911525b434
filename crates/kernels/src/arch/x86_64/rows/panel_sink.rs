//! Lanes written to memory: some rows of one block's part of a panel.

use std::marker::PhantomData;

use super::format::{Format, PART, Sink};
use crate::PANEL_ROWS;
use crate::arch::x86_64::words::Words;

/// `L::N` of a panel's lanes, the columns of a block.
pub(super) struct PanelSink<L, F> {
    lanes: L,
    quants: *mut u8,
    scales: *mut f32,
    mins: *mut f32,
    format: PhantomData<F>,
}

impl<L: Words, F: Format> PanelSink<L, F> {
    /// # Safety
    /// While this lives, for `step < F::LEN / 4` and `g < F::LEN / F::GROUP`, a register can be
    /// written at `quants + 64 * step`, `scales + 16 * g` and, if used, `mins + 16 * g`.
    #[inline(always)]
    pub(super) unsafe fn new(lanes: L, quants: *mut u8, scales: *mut f32, mins: *mut f32) -> Self {
        Self { lanes, quants, scales, mins, format: PhantomData }
    }
}

impl<L: Words, F: Format> Sink<L> for PanelSink<L, F> {
    #[inline(always)]
    fn set_quants(&mut self, part: usize, quants: [L::Ints; 4]) {
        assert!(part < F::LEN / PART);
        for i in 0..4 {
            let step = 4 * part + i;
            let quants = self.lanes.as_floats(quants[i]);
            // SAFETY: the assertion and the contract of `new`.
            unsafe { self.lanes.store(self.quants.add(step * 4 * PANEL_ROWS).cast(), quants) };
        }
    }

    #[inline(always)]
    fn set_scales(&mut self, g: usize, scales: L::Floats) {
        assert!(g < F::LEN / F::GROUP);
        // SAFETY: the assertion and the contract of `new`.
        unsafe { self.lanes.store(self.scales.add(g * PANEL_ROWS), scales) };
    }

    #[inline(always)]
    fn set_mins(&mut self, g: usize, mins: L::Floats) {
        assert!(g < F::LEN / F::GROUP);
        // SAFETY: the assertion and the contract of `new`.
        unsafe { self.lanes.store(self.mins.add(g * PANEL_ROWS), mins) };
    }
}
