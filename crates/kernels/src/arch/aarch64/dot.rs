//! Exact int8 products of 16 rows: what the tables differ in.

use std::arch::aarch64::*;
use std::arch::asm;

use super::registers::{load_i8, load_row_pair, load_step};
use crate::Step;

/// Int32 sums of 16 rows for each token.
pub(super) type Sums<const T: usize> = [[int32x4_t; 4]; T];

/// A way to multiply; a value of it is the proof that the CPU has the instructions.
pub(super) trait Dot: Copy {
    /// `sums[t][r] = sum_s w[s][r] . x[s][t]`, where `DEPTH` products in a row add up in int16.
    fn sums<const T: usize, const STEPS: usize, const DEPTH: usize>(
        self,
        w: &[Step; STEPS],
        x: &[[[i8; 4]; T]; STEPS],
    ) -> Sums<T>;
}

/// `smull` and `smlal`: eight products a register, in int16. Every aarch64 CPU has them.
#[derive(Clone, Copy)]
pub(super) struct Smull;

/// `sdot`: four products to each of four int32 lanes.
#[derive(Clone, Copy)]
pub(super) struct Sdot(());

impl Sdot {
    /// # Safety
    /// The CPU has `dotprod`.
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

impl Dot for Smull {
    #[inline(always)]
    fn sums<const T: usize, const STEPS: usize, const DEPTH: usize>(
        self,
        w: &[Step; STEPS],
        x: &[[[i8; 4]; T]; STEPS],
    ) -> Sums<T> {
        // SAFETY: every aarch64 CPU has NEON.
        unsafe { smull_sums::<T, STEPS, DEPTH>(w, x) }
    }
}

impl Dot for Sdot {
    #[inline(always)]
    fn sums<const T: usize, const STEPS: usize, const DEPTH: usize>(
        self,
        w: &[Step; STEPS],
        x: &[[[i8; 4]; T]; STEPS],
    ) -> Sums<T> {
        let mut sums = [[zero(); 4]; T];
        // Four steps of `T` tokens are `T` registers.
        for (w, x) in w.as_chunks().0.iter().zip(x.as_chunks().0) {
            // SAFETY: every aarch64 CPU has NEON.
            unsafe { add_four_steps(self, w, x, &mut sums) };
        }
        sums
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn smull_sums<const T: usize, const STEPS: usize, const DEPTH: usize>(
    w: &[Step; STEPS],
    x: &[[[i8; 4]; T]; STEPS],
) -> Sums<T> {
    let mut sums = [[zero(); 4]; T];
    // Eight rows after the other eight: int16 lanes of all 16 would not fit the registers.
    for half in 0..2 {
        // Of four columns the first two and the last two, side by side; two rows a register.
        let mut column_pairs = [[zero(); 4]; T];
        for (w, x) in w.as_chunks::<DEPTH>().0.iter().zip(x.as_chunks::<DEPTH>().0) {
            let mut products = [[vdupq_n_s16(0); 4]; T];
            for (w, x) in w.iter().zip(x) {
                let w = [0, 1, 2, 3].map(|pair| load_row_pair(w, 4 * half + pair));
                for (x, products) in x.iter().zip(&mut products) {
                    let x = i32::from_le_bytes(x.map(i8::cast_unsigned));
                    let x = vreinterpret_s8_s32(vdup_n_s32(x));
                    for pair in 0..4 {
                        products[pair] = vmlal_s8(products[pair], w[pair], x);
                    }
                }
            }
            for t in 0..T {
                for pair in 0..4 {
                    column_pairs[t][pair] = vpadalq_s16(column_pairs[t][pair], products[t][pair]);
                }
            }
        }
        for (sums, [a, b, c, d]) in sums.iter_mut().zip(column_pairs) {
            sums[2 * half] = vpaddq_s32(a, b);
            sums[2 * half + 1] = vpaddq_s32(c, d);
        }
    }
    sums
}

/// Registers and lanes are written out: as a loop over three tokens they would stay one.
#[inline]
#[target_feature(enable = "neon")]
fn add_four_steps<const T: usize>(
    dot: Sdot,
    w: &[Step; 4],
    x: &[[[i8; 4]; T]; 4],
    sums: &mut Sums<T>,
) {
    add_register::<0, T>(dot, w, x, sums);
    if T > 1 {
        add_register::<1, T>(dot, w, x, sums);
    }
    if T > 2 {
        add_register::<2, T>(dot, w, x, sums);
    }
    if T > 3 {
        add_register::<3, T>(dot, w, x, sums);
    }
}

/// Adds the products of register `IDX` of `T` that hold `x`.
#[inline]
#[target_feature(enable = "neon")]
fn add_register<const IDX: usize, const T: usize>(
    dot: Sdot,
    w: &[Step; 4],
    x: &[[[i8; 4]; T]; 4],
    sums: &mut Sums<T>,
) {
    let x = load_i8(&x.as_flattened().as_flattened().as_chunks().0[IDX]);
    // Words of `x` are `[4, T]`.
    let place = |lane: usize| ((4 * IDX + lane) / T, (4 * IDX + lane) % T);
    for quarter in 0..4 {
        let w = |step: usize| load_step(&w[step], quarter);
        let (step, t) = place(0);
        sums[t][quarter] = sdot::<0>(dot, sums[t][quarter], w(step), x);
        let (step, t) = place(1);
        sums[t][quarter] = sdot::<1>(dot, sums[t][quarter], w(step), x);
        let (step, t) = place(2);
        sums[t][quarter] = sdot::<2>(dot, sums[t][quarter], w(step), x);
        let (step, t) = place(3);
        sums[t][quarter] = sdot::<3>(dot, sums[t][quarter], w(step), x);
    }
}

/// The four columns of each row in `w` times the four in word `LANE` of `x`.
///
/// Rust has no stable intrinsic for it. Naming the extension for the assembler alone, not as a
/// target feature, lets it be inlined into functions that serve every table.
#[inline(always)]
fn sdot<const LANE: usize>(_: Sdot, mut sum: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: the argument is the proof that the CPU has the instruction.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {sum:v}.4s, {w:v}.16b, {x:v}.4b[{lane}]",
            sum = inout(vreg) sum,
            w = in(vreg) w,
            x = in(vreg) x,
            lane = const LANE,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

#[inline(always)]
pub(super) fn zero() -> int32x4_t {
    // SAFETY: every aarch64 CPU has NEON.
    unsafe { vdupq_n_s32(0) }
}
