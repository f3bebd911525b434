//! Lanes multiplied as they are unpacked: some rows of one block times a tile of tokens.

use std::marker::PhantomData;

use super::format::{Format, PART, Sink};
use super::part_sums::{Ints, PartSums};
use crate::arch::x86_64::int_panel::SIGNED;
use crate::arch::x86_64::lanes::Lanes;
use crate::block::CHUNK_GROUPS;

/// Integer sums of every `PART` columns, to be added up group after group when the block is whole:
/// formats keep their columns in another order than the sums have to be in.
pub(super) struct Products<'a, B: PartSums, F, const T: usize> {
    bytes: B,
    /// `[LEN / PART]`
    sums: [[Ints<B>; T]; CHUNK_GROUPS],
    /// `[LEN / GROUP]`
    scales: [Floats<B>; CHUNK_GROUPS],
    /// `[LEN / GROUP]`
    mins: [Floats<B>; CHUNK_GROUPS],
    /// Quants of the tokens: `[LEN / 4, T, 4]`
    x: &'a [i8],
    format: PhantomData<F>,
}

pub(super) type Floats<B> = <<B as PartSums>::Lanes as Lanes>::Floats;

/// Not derived: `F` need not be one.
impl<B: PartSums, F, const T: usize> Clone for Products<'_, B, F, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: PartSums, F, const T: usize> Copy for Products<'_, B, F, T> {}

impl<'a, B: PartSums, F: Format, const T: usize> Products<'a, B, F, T> {
    /// Quads of columns in a part.
    const STEPS: usize = PART / 4;

    #[inline(always)]
    pub(super) fn new(bytes: B) -> Self {
        let zero = bytes.lanes().spread(0.0);
        Self {
            bytes,
            sums: [[bytes.lanes().spread_int(0); T]; CHUNK_GROUPS],
            scales: [zero; CHUNK_GROUPS],
            mins: [zero; CHUNK_GROUPS],
            x: &[],
            format: PhantomData,
        }
    }

    /// The tokens' quants for the block that follows: `[LEN / 4, T, 4]`.
    #[inline(always)]
    pub(super) fn start_block(&mut self, x: &'a [i8]) {
        assert!(x.len() == F::LEN * T);
        self.x = x;
    }

    /// `acc` and group `g` of the block, for token `t`.
    #[inline(always)]
    pub(super) fn add_group(
        &self,
        g: usize,
        t: usize,
        (x_scale, x_sum): (f32, f32),
        acc: Floats<B>,
    ) -> Floats<B> {
        const { assert!(F::GROUP == PART || F::GROUP == 2 * PART) };
        let (part, lanes) = (g * F::GROUP / PART, self.bytes.lanes());
        let second = if F::GROUP == PART { None } else { Some(self.sums[part + 1][t]) };
        let sum = self.bytes.add_parts::<F>(self.sums[part][t], second);
        let scale = lanes.mul(self.scales[g], lanes.spread(x_scale));
        let acc = lanes.mul_add(scale, lanes.to_floats(sum), acc);
        if F::Q_MAX == SIGNED {
            return acc;
        }
        lanes.neg_mul_add(self.mins[g], lanes.spread(x_sum), acc)
    }

    /// Step `i` of a part for token `t`, its four columns in every lane.
    ///
    /// # Safety
    /// `start_block` was called, `part < LEN / PART`, `i < STEPS`, `t < T`.
    #[inline(always)]
    unsafe fn activations(&self, part: usize, i: usize, t: usize) -> Ints<B> {
        let at = ((part * Self::STEPS + i) * T + t) * 4;
        // SAFETY: `at + 4 <= LEN * T`, the length of `x`; the read needs no alignment.
        let columns = unsafe { self.x.as_ptr().add(at).cast::<i32>().read_unaligned() };
        self.bytes.lanes().spread_int(columns)
    }
}

impl<B: PartSums, F: Format, const T: usize> Sink<B::Lanes> for Products<'_, B, F, T> {
    #[inline(always)]
    fn set_quants(&mut self, part: usize, w: [Ints<B>; 4]) {
        assert!(part < F::LEN / PART && self.x.len() == F::LEN * T);
        for t in 0..T {
            let mut x = w;
            for i in 0..Self::STEPS {
                // SAFETY: just asserted.
                x[i] = unsafe { self.activations(part, i, t) };
            }
            self.sums[part][t] = self.bytes.sum_part::<F>(w, x);
        }
    }

    #[inline(always)]
    fn set_scales(&mut self, g: usize, scales: Floats<B>) {
        assert!(g < F::LEN / F::GROUP);
        self.scales[g] = scales;
    }

    #[inline(always)]
    fn set_mins(&mut self, g: usize, mins: Floats<B>) {
        assert!(g < F::LEN / F::GROUP);
        self.mins[g] = mins;
    }
}
