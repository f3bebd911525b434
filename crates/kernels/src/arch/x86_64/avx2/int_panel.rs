//! Integer panel times activations: 16 rows in two registers, up to 4 tokens.
//!
//! Unsigned quants are small enough that several products of `vpmaddubsw` add up in int16 lanes
//! before one `vpmaddwd` widens them: two products of `q <= q_max` and `|x| <= 127` a step, so
//! `depth * 2 * 127 * q_max < 2^15` allows 8 steps of 4 bits (30480), 4 of 5 bits (31496) and 2 of
//! 6 bits (32004). Signed quants move their sign to the activation and widen each step (32512).

use std::arch::asm;
use std::arch::x86_64::*;

use crate::panel::TileView;
use crate::scalar::matmul::check_panel;
use crate::table::Tile;
use crate::{ACT_GROUP, IntPanel, QuantizedTile, Quants, RowValues, TILE_TOKENS};

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn int_panel(panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile]) {
    check_panel(panel, x, out);
    for (x, out) in x.iter().zip(out) {
        let x = x.view();
        match x.n_tokens {
            0 => (),
            1 => by_form::<1>(panel, &x, out),
            2 => by_form::<2>(panel, &x, out),
            3 => by_form::<3>(panel, &x, out),
            _ => by_form::<4>(panel, &x, out),
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn by_form<const T: usize>(panel: &IntPanel, x: &TileView, out: &mut Tile) {
    let form = panel.form;
    assert!(x.n_tokens == T && x.quants.len() == panel.n_in * T, "a tile of T tokens");
    // SAFETY: `check_panel` asserted the lengths of the panel; `QuantizedTile::view` slices the
    // scales and sums of the tile to the lengths that belong to its quants.
    unsafe {
        match (form.quants, form.group, form.has_mins) {
            (Quants::U4, 32, true) => unsigned::<T, 1, 8>(panel, x, out),
            (Quants::U4, 16, true) => unsigned::<T, 1, 4>(panel, x, out),
            (Quants::U5, 32, true) => unsigned::<T, 2, 4>(panel, x, out),
            (Quants::U6, 16, true) => unsigned::<T, 2, 2>(panel, x, out),
            (Quants::I8, 32, false) => signed::<T, 8>(panel, x, out),
            (Quants::I8, 16, false) => signed::<T, 4>(panel, x, out),
            _ => unreachable!("no format has the form {form:?}"),
        }
    }
}

/// `RUNS` runs a group, each of `DEPTH` steps of four columns that add up in int16.
///
/// # Safety
/// `panel` holds `n_in` columns, a multiple of 32, with scales and mins for groups of
/// `4 * RUNS * DEPTH`; `x` holds as many columns of `T` tokens.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn unsigned<const T: usize, const RUNS: usize, const DEPTH: usize>(
    panel: &IntPanel,
    x: &TileView,
    out: &mut Tile,
) {
    let n_steps = RUNS * DEPTH;
    assert!(n_steps == 4 || n_steps == 8);
    let ones = _mm256_set1_epi16(1);
    let x_sums = if n_steps == 4 { x.sums16 } else { x.sums32 };
    let mut acc = [[_mm256_setzero_ps(); 2]; T];
    for g in 0..panel.n_in / (4 * n_steps) {
        let mut runs = [[[_mm256_setzero_si256(); 2]; T]; RUNS];
        for (i, run) in runs.iter_mut().enumerate() {
            // SAFETY: the steps of group `g`, which panel and tile hold.
            *run = unsafe { add_steps::<T, DEPTH>(panel, x, g * n_steps + i * DEPTH) };
        }
        // SAFETY: `g` is a group of the panel, and `T` tokens have a scale for its 32 columns and
        // a sum for the group.
        unsafe {
            let scales = lanes(panel.scales.get_unchecked(g));
            let mins = lanes(panel.mins.get_unchecked(g));
            let x_scales = x.scales.as_ptr().add(g * 4 * n_steps / ACT_GROUP * T);
            let x_sums = x_sums.as_ptr().add(g * T);
            for t in 0..T {
                let (x_scale, x_sum) =
                    (_mm256_set1_ps(*x_scales.add(t)), _mm256_set1_ps(*x_sums.add(t)));
                for half in 0..2 {
                    let mut sum = _mm256_madd_epi16(runs[0][t][half], ones);
                    for run in &runs[1..] {
                        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(run[t][half], ones));
                    }
                    let scale = _mm256_mul_ps(scales[half], x_scale);
                    let y = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(sum), acc[t][half]);
                    acc[t][half] = _mm256_fnmadd_ps(mins[half], x_sum, y);
                }
            }
        }
    }
    store(acc, out);
}

/// Int16 sums over steps `k..k + DEPTH`: `[T, 2]` registers, eight rows each.
///
/// # Safety
/// `panel` and `x` hold `4 * (k + DEPTH)` columns or more.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add_steps<const T: usize, const DEPTH: usize>(
    panel: &IntPanel,
    x: &TileView,
    k: usize,
) -> [[__m256i; 2]; T] {
    let mut sums = [[_mm256_setzero_si256(); 2]; T];
    if T == TILE_TOKENS {
        // SAFETY: the contract.
        let full = unsafe { add_full_steps::<DEPTH>(panel, x, k) };
        sums.copy_from_slice(&full[..T]);
        return sums;
    }
    for step in 0..DEPTH {
        // SAFETY: the contract.
        let (w, x) = unsafe { (weights(panel, k + step), activations::<T>(x, k + step)) };
        for t in 0..T {
            for half in 0..2 {
                let products = _mm256_maddubs_epi16(w[half], x[t]);
                sums[t][half] = _mm256_add_epi16(sums[t][half], products);
            }
        }
    }
    sums
}

/// Instructions for the products of one token with the weights in `w0` and `w1`, set or added.
macro_rules! token {
    (set $x:literal, $low:literal, $high:literal) => {
        concat!(
            "vpbroadcastd {x}, [{xs} + ",
            $x,
            "]\n",
            "vpmaddubsw {",
            $low,
            "}, {w0}, {x}\n",
            "vpmaddubsw {",
            $high,
            "}, {w1}, {x}\n",
        )
    };
    (add $x:literal, $low:literal, $high:literal) => {
        concat!(
            "vpbroadcastd {x}, [{xs} + ",
            $x,
            "]\n",
            "vpmaddubsw {y}, {w0}, {x}\n",
            "vpaddw {",
            $low,
            "}, {",
            $low,
            "}, {y}\n",
            "vpmaddubsw {x}, {w1}, {x}\n",
            "vpaddw {",
            $high,
            "}, {",
            $high,
            "}, {x}\n",
        )
    };
}

/// Two steps of all four tokens, from `$ws` and `$xs` to `$sums`.
macro_rules! two_steps {
    ($first:ident $ws:ident $xs:ident, $kind:ident $sums:ident) => {
        asm!(
            "vmovdqa {w0}, [{ws}]",
            "vmovdqa {w1}, [{ws} + 32]",
            token!($first 0, "a0", "a1"),
            token!($first 4, "b0", "b1"),
            token!($first 8, "c0", "c1"),
            token!($first 12, "d0", "d1"),
            "vmovdqa {w0}, [{ws} + 64]",
            "vmovdqa {w1}, [{ws} + 96]",
            token!(add 16, "a0", "a1"),
            token!(add 20, "b0", "b1"),
            token!(add 24, "c0", "c1"),
            token!(add 28, "d0", "d1"),
            ws = in(reg) $ws, xs = in(reg) $xs,
            a0 = $kind(ymm_reg) $sums[0][0], a1 = $kind(ymm_reg) $sums[0][1],
            b0 = $kind(ymm_reg) $sums[1][0], b1 = $kind(ymm_reg) $sums[1][1],
            c0 = $kind(ymm_reg) $sums[2][0], c1 = $kind(ymm_reg) $sums[2][1],
            d0 = $kind(ymm_reg) $sums[3][0], d1 = $kind(ymm_reg) $sums[3][1],
            w0 = out(ymm_reg) _, w1 = out(ymm_reg) _, x = out(ymm_reg) _, y = out(ymm_reg) _,
            options(pure, readonly, nostack, preserves_flags),
        )
    };
}

/// `add_steps` for four tokens, written out: integer additions may be regrouped, and a compiler
/// that does so needs more registers than there are.
///
/// # Safety
/// As for `add_steps`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add_full_steps<const DEPTH: usize>(
    panel: &IntPanel,
    x: &TileView,
    k: usize,
) -> [[__m256i; 2]; TILE_TOKENS] {
    const { assert!(DEPTH.is_multiple_of(2)) };
    let mut sums = [[_mm256_setzero_si256(); 2]; TILE_TOKENS];
    // SAFETY: by the contract panel and tile hold every step that is read; panel steps are aligned.
    unsafe {
        let (mut ws, mut xs) = (panel.quants.as_ptr().add(k), x.quants.as_ptr().add(k * 16));
        two_steps!(set ws xs, out sums);
        for _ in 1..DEPTH / 2 {
            (ws, xs) = (ws.add(2), xs.add(32));
            two_steps!(add ws xs, inout sums);
        }
    }
    sums
}

/// Groups of `4 * STEPS` int8 columns, no mins.
///
/// # Safety
/// `panel` holds `n_in` columns, a multiple of 32, with their scales; `x` holds as many columns of
/// `T` tokens.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn signed<const T: usize, const STEPS: usize>(
    panel: &IntPanel,
    x: &TileView,
    out: &mut Tile,
) {
    const { assert!(STEPS == 4 || STEPS == 8) };
    let ones = _mm256_set1_epi16(1);
    let mut acc = [[_mm256_setzero_ps(); 2]; T];
    for g in 0..panel.n_in / (4 * STEPS) {
        let mut sums = [[_mm256_setzero_si256(); 2]; T];
        for k in g * STEPS..(g + 1) * STEPS {
            // SAFETY: `k < n_in / 4`, the steps that panel and tile hold.
            let (w, x) = unsafe { (weights(panel, k), activations::<T>(x, k)) };
            // |-128| is 128 as an unsigned byte.
            let magnitudes = w.map(|w| _mm256_abs_epi8(w));
            for t in 0..T {
                for half in 0..2 {
                    let x = _mm256_sign_epi8(x[t], w[half]);
                    let products = _mm256_maddubs_epi16(magnitudes[half], x);
                    let wide = _mm256_madd_epi16(products, ones);
                    sums[t][half] = _mm256_add_epi32(sums[t][half], wide);
                }
            }
        }
        // SAFETY: `g` is a group of the panel, and each of `T` tokens has a scale for its columns.
        unsafe {
            let scales = lanes(panel.scales.get_unchecked(g));
            let x_scales = x.scales.as_ptr().add(g * 4 * STEPS / ACT_GROUP * T);
            for t in 0..T {
                let x_scale = _mm256_set1_ps(*x_scales.add(t));
                for half in 0..2 {
                    let sum = _mm256_cvtepi32_ps(sums[t][half]);
                    let scale = _mm256_mul_ps(scales[half], x_scale);
                    acc[t][half] = _mm256_fmadd_ps(scale, sum, acc[t][half]);
                }
            }
        }
    }
    store(acc, out);
}

/// Step `k` of the panel, rows 0..8 and 8..16.
///
/// # Safety
/// The panel holds more than `4 * k` columns.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn weights(panel: &IntPanel, k: usize) -> [__m256i; 2] {
    // SAFETY: the contract; a `Step` is two aligned registers.
    unsafe {
        let step = panel.quants.as_ptr().add(k).cast::<__m256i>();
        [_mm256_load_si256(step), _mm256_load_si256(step.add(1))]
    }
}

/// Step `k` of each token, its four columns in every lane.
///
/// # Safety
/// `x` holds more than `4 * k` columns of `T` tokens.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn activations<const T: usize>(x: &TileView, k: usize) -> [__m256i; T] {
    let mut lanes = [_mm256_setzero_si256(); T];
    for (t, lanes) in lanes.iter_mut().enumerate() {
        // SAFETY: the contract; the read needs no alignment.
        let columns =
            unsafe { x.quants.as_ptr().add((k * T + t) * 4).cast::<i32>().read_unaligned() };
        *lanes = _mm256_set1_epi32(columns);
    }
    lanes
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn lanes(values: &RowValues) -> [__m256; 2] {
    let values = values.0.as_ptr();
    // SAFETY: `RowValues` holds two aligned registers.
    unsafe { [_mm256_load_ps(values), _mm256_load_ps(values.add(8))] }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn store<const T: usize>(acc: [[__m256; 2]; T], out: &mut Tile) {
    for (acc, out) in acc.iter().zip(out) {
        for (acc, out) in acc.iter().zip(out.as_chunks_mut::<8>().0) {
            // SAFETY: `out` is an array of 8; the store needs no alignment.
            unsafe { _mm256_storeu_ps(out.as_mut_ptr(), *acc) };
        }
    }
}
