//! Integer panel times activations, for every width and every way to multiply bytes.

use super::lanes::Lanes;
use crate::panel::TileView;
use crate::scalar::matmul::check_panel;
use crate::table::Tile;
use crate::{ACT_GROUP, IntPanel, PANEL_ROWS, QuantizedTile, Quants, RowValues, Step, TILE_TOKENS};

/// `Q_MAX` of int8 quants: the greatest magnitude.
pub(super) const SIGNED: i32 = 128;

/// Products of `vpmaddubsw` that add up in an int16 lane without overflow: each is of two pairs of
/// `q <= q_max` and `|x| <= 127`.
pub(super) const fn int16_depth(q_max: i32) -> usize {
    (i16::MAX as i32 / (2 * 127 * q_max)) as usize
}

/// A way to multiply bytes. A value is the proof that its instructions may be used, like `Lanes`.
pub(super) trait Bytes: Copy {
    type Lanes: Lanes;
    /// Whether the code depends on how large unsigned quants are.
    const NEEDS_RANGE: bool;

    fn lanes(self) -> Self::Lanes;

    /// `sum(q * xq)` over `4 * STEPS` columns, exactly, for the 16 rows of a panel in `H` registers
    /// and `T` tokens of each of `N` tiles: `[N, T, H]`. Quants are `0..=Q_MAX`, or int8 where that
    /// is `SIGNED`.
    ///
    /// # Safety
    /// `steps` points to `STEPS` steps of a panel, and `x` holds as many.
    unsafe fn sum_group<
        const Q_MAX: i32,
        const STEPS: usize,
        const N: usize,
        const T: usize,
        const H: usize,
    >(
        self,
        steps: *const Step,
        x: Tokens<N, T>,
    ) -> [[[<Self::Lanes as Lanes>::Ints; H]; T]; N];
}

/// Activations of `T` tokens in each of `N` tiles.
#[derive(Clone, Copy)]
pub(super) struct Tokens<const N: usize, const T: usize> {
    /// Each tile's `[steps, T, 4]`.
    starts: [*const i8; N],
}

impl<const N: usize, const T: usize> Tokens<N, T> {
    /// Four columns of token `t` in tile `i`, those of step `step`, in every lane.
    ///
    /// # Safety
    /// There are more than `step` steps; `i < N` and `t < T`.
    #[inline(always)]
    pub(super) unsafe fn columns<L: Lanes>(
        &self,
        lanes: L,
        i: usize,
        t: usize,
        step: usize,
    ) -> L::Ints {
        // SAFETY: the contract.
        let four = unsafe { *self.starts[i].add((step * T + t) * 4).cast::<[u8; 4]>() };
        lanes.spread_int(i32::from_le_bytes(four))
    }

    /// All tokens of tile `i`: `[steps, T, 4]`.
    #[inline(always)]
    pub(super) fn tile(&self, i: usize) -> *const u8 {
        self.starts[i].cast()
    }
}

/// One step of a panel.
///
/// # Safety
/// `step` points to one.
#[inline(always)]
pub(super) unsafe fn weights<L: Lanes, const H: usize>(
    lanes: L,
    step: *const Step,
) -> [L::Ints; H] {
    const { assert!(H * L::N == PANEL_ROWS) };
    let mut registers = [lanes.spread_int(0); H];
    for h in 0..H {
        // SAFETY: a step is `H` registers of `4 * N` bytes.
        registers[h] = unsafe { lanes.load_bytes(step.cast::<u8>().add(h * 4 * L::N)) };
    }
    registers
}

/// `H`: registers that hold a value of each row.
#[inline(always)]
pub(super) fn int_panel<B: Bytes, const H: usize>(
    bytes: B,
    panel: &IntPanel,
    x: &[QuantizedTile],
    out: &mut [Tile],
) {
    check_panel(panel, x, out);
    // With 32 registers a step of weights, once loaded, serves two tiles.
    let has_room = const { B::Lanes::N_REGISTERS == 32 };
    let n_together = if has_room { 2 } else { 1 };
    for (x, out) in x.chunks(n_together).zip(out.chunks_mut(n_together)) {
        if has_room
            && let [a, b] = x
            && a.n_tokens == TILE_TOKENS
            && b.n_tokens == TILE_TOKENS
        {
            by_form::<B, 2, TILE_TOKENS, H>(bytes, panel, [a.view(), b.view()], out);
            continue;
        }
        for (x, out) in x.iter().zip(out.chunks_mut(1)) {
            match x.n_tokens {
                0 => (),
                1 => by_form::<B, 1, 1, H>(bytes, panel, [x.view()], out),
                2 => by_form::<B, 1, 2, H>(bytes, panel, [x.view()], out),
                3 => by_form::<B, 1, 3, H>(bytes, panel, [x.view()], out),
                _ => by_form::<B, 1, TILE_TOKENS, H>(bytes, panel, [x.view()], out),
            }
        }
    }
}

/// Tiles of `T` tokens.
#[inline(always)]
fn by_form<B: Bytes, const N: usize, const T: usize, const H: usize>(
    bytes: B,
    panel: &IntPanel,
    x: [TileView; N],
    out: &mut [Tile],
) {
    let form = panel.form;
    for x in &x {
        assert!(x.n_tokens == T, "tiles of as many tokens");
        assert!(x.quants.len() == panel.n_in * T, "activations for the whole panel");
    }
    // SAFETY: `check_panel` asserted the lengths of the panel; `QuantizedTile::view` slices the
    // scales and sums of a tile to the lengths that belong to its quants.
    unsafe {
        match (form.quants, form.group, form.has_mins) {
            (Quants::U4, 32, true) if B::NEEDS_RANGE => {
                multiply::<B, 15, 8, N, T, H>(bytes, panel, x, out);
            }
            (Quants::U4, 16, true) if B::NEEDS_RANGE => {
                multiply::<B, 15, 4, N, T, H>(bytes, panel, x, out);
            }
            (Quants::U4 | Quants::U5, 32, true) => {
                multiply::<B, 31, 8, N, T, H>(bytes, panel, x, out);
            }
            (Quants::U4 | Quants::U6, 16, true) => {
                multiply::<B, 63, 4, N, T, H>(bytes, panel, x, out);
            }
            (Quants::I8, 32, false) => {
                multiply::<B, SIGNED, 8, N, T, H>(bytes, panel, x, out);
            }
            (Quants::I8, 16, false) => {
                multiply::<B, SIGNED, 4, N, T, H>(bytes, panel, x, out);
            }
            _ => unreachable!("no format has the form {form:?}"),
        }
    }
}

/// Groups of `4 * STEPS` columns, with mins unless quants are `SIGNED`.
///
/// # Safety
/// `panel` holds `n_in` columns, a multiple of 32, with the scales and mins of their groups; each
/// tile of `x` holds as many columns of `T` tokens.
#[inline(always)]
unsafe fn multiply<
    B: Bytes,
    const Q_MAX: i32,
    const STEPS: usize,
    const N: usize,
    const T: usize,
    const H: usize,
>(
    bytes: B,
    panel: &IntPanel,
    x: [TileView; N],
    out: &mut [Tile],
) {
    const { assert!(STEPS == 4 || STEPS == 8) };
    let lanes = bytes.lanes();
    let mut acc = [[[lanes.spread(0.0); H]; T]; N];
    for g in 0..panel.n_in / (4 * STEPS) {
        // SAFETY: `g` is a group of the panel and of each tile; a `RowValues` is `H` registers.
        unsafe {
            let quants = panel.quants.as_ptr().add(g * STEPS);
            let at = g * STEPS * T * 4;
            let mut starts = [std::ptr::null(); N];
            for i in 0..N {
                starts[i] = x[i].quants.as_ptr().add(at);
            }
            let tokens = Tokens { starts };
            let sums = bytes.sum_group::<Q_MAX, STEPS, N, T, H>(quants, tokens);
            let scales = registers::<B::Lanes, H>(lanes, panel.scales.as_ptr().add(g));
            let mut mins = scales;
            if Q_MAX != SIGNED {
                mins = registers::<B::Lanes, H>(lanes, panel.mins.as_ptr().add(g));
            }
            for i in 0..N {
                let x_sums = if STEPS == 4 { x[i].sums16 } else { x[i].sums32 };
                let x_sums = x_sums.as_ptr().add(g * T);
                let x_scales = x[i].scales.as_ptr().add(g * 4 * STEPS / ACT_GROUP * T);
                for t in 0..T {
                    let (x_scale, x_sum) = (lanes.spread(*x_scales.add(t)), *x_sums.add(t));
                    for h in 0..H {
                        let scale = lanes.mul(scales[h], x_scale);
                        let sum = lanes.to_floats(sums[i][t][h]);
                        let mut y = lanes.mul_add(scale, sum, acc[i][t][h]);
                        if Q_MAX != SIGNED {
                            y = lanes.neg_mul_add(mins[h], lanes.spread(x_sum), y);
                        }
                        acc[i][t][h] = y;
                    }
                }
            }
        }
        // Where registers are few, those of `sum_group` matter more than these, which the compiler
        // would keep: hiding `acc` sends it to memory.
        if const { B::Lanes::N_REGISTERS == 16 && T == TILE_TOKENS && Q_MAX == SIGNED } {
            std::hint::black_box(&mut acc);
        }
    }
    for i in 0..N {
        for t in 0..T {
            let out = &mut out[i][t];
            for h in 0..H {
                // SAFETY: `out` is `H` registers.
                unsafe { lanes.store(out.as_mut_ptr().add(h * B::Lanes::N), acc[i][t][h]) };
            }
        }
    }
}

/// A value of each row of a panel.
///
/// # Safety
/// `values` points to them.
#[inline(always)]
unsafe fn registers<L: Lanes, const H: usize>(
    lanes: L,
    values: *const RowValues,
) -> [L::Floats; H] {
    let mut registers = [lanes.spread(0.0); H];
    for h in 0..H {
        // SAFETY: a `RowValues` is `H` registers.
        registers[h] = unsafe { lanes.load(values.cast::<f32>().add(h * L::N)) };
    }
    registers
}
