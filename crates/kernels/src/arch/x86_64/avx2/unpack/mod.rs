//! Weight rows, eight at a time with a row in each lane: to panels, or straight to products.
//!
//! The same 16 bytes of eight rows are loaded and transposed as words; what a format then does to
//! get at its bits is done to all rows at once, and results are already interleaved as panels are.
//! A format is written once and hands its registers to a `Lanes`: `PanelLanes` stores them,
//! `Products` multiplies them by a few tokens.

mod floats;
mod int_rows;
mod k_quants;
mod lanes;
mod panel_lanes;
mod products;
mod small_blocks;

use std::arch::x86_64::*;
use std::ops::Range;

use crate::block::{CHUNK, CHUNK_GROUPS};
use crate::scalar::unpack as scalar;
use crate::table::Tile;
use crate::{DType, F32Panel, IntPanel, PANEL_ROWS, RowValues, Step};
use lanes::{N_ROWS, Rows};
use panel_lanes::PanelLanes;

pub(super) use floats::f32_rows;
pub(super) use int_rows::int_rows;

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn unpack_int(dtype: DType, rows: &[u8], n_in: usize, panel: &mut IntPanel) {
    let n_rows = panel.start(dtype, rows.len(), n_in);
    if n_rows < PANEL_ROWS {
        return scalar::unpack_int(dtype, rows, n_in, panel);
    }
    let source = Source { rows, row_bytes: rows.len() / PANEL_ROWS };
    let blocks = 0..n_in / dtype.block_len();
    let target =
        Target { quants: &mut panel.quants, scales: &mut panel.scales, mins: &mut panel.mins };
    unpack_blocks(dtype, source, blocks, target);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn unpack_f32(dtype: DType, rows: &[u8], n_in: usize, panel: &mut F32Panel) {
    let n_rows = panel.start(dtype, rows.len(), n_in);
    if n_rows < PANEL_ROWS {
        return scalar::unpack_f32(dtype, rows, n_in, panel);
    }
    let source = Source { rows, row_bytes: rows.len() / PANEL_ROWS };
    let Some(form) = dtype.int_form() else {
        return floats::unpack(dtype, source, &mut panel.values[..n_in]);
    };
    let mut quants = [Step::ZERO; CHUNK / 4];
    let mut scales = [RowValues::ZERO; CHUNK_GROUPS];
    let mut mins = [RowValues::ZERO; CHUNK_GROUPS];
    let chunks = panel.values[..n_in].chunks_mut(CHUNK);
    for (chunk_idx, values) in chunks.enumerate() {
        let first = chunk_idx * CHUNK / dtype.block_len();
        let blocks = first..first + values.len() / dtype.block_len();
        let target = Target { quants: &mut quants, scales: &mut scales, mins: &mut mins };
        unpack_blocks(dtype, source, blocks, target);
        scalar::widen(form, &quants, &scales, &mins, values);
    }
}

/// The bytes of 16 whole rows.
#[derive(Clone, Copy)]
struct Source<'a> {
    rows: &'a [u8],
    row_bytes: usize,
}

/// Room for some blocks of 16 rows, laid out like `IntPanel`.
struct Target<'a> {
    quants: &'a mut [Step],
    scales: &'a mut [RowValues],
    mins: &'a mut [RowValues],
}

#[target_feature(enable = "avx2,fma,f16c")]
fn unpack_blocks(dtype: DType, source: Source, blocks: Range<usize>, target: Target) {
    macro_rules! unpack {
        ($unpack:path) => {
            each(source, blocks, target, |rows, lanes| $unpack(rows, lanes))
        };
    }
    by_format!(dtype, unpack)
}

/// Calls `unpack` for both halves of each block, blocks in order.
#[target_feature(enable = "avx2,fma,f16c")]
fn each<const BYTES: usize, const LEN: usize, const GROUP: usize>(
    source: Source,
    blocks: Range<usize>,
    target: Target,
    unpack: impl Fn(&mut Rows<BYTES>, &mut PanelLanes<LEN, GROUP>),
) {
    let n_groups = blocks.len() * LEN / GROUP;
    assert!(source.rows.len() == PANEL_ROWS * source.row_bytes);
    assert!(blocks.start <= blocks.end && blocks.end * BYTES <= source.row_bytes);
    assert!(target.quants.len() >= blocks.len() * LEN / 4);
    assert!(target.scales.len() >= n_groups && target.mins.len() >= n_groups);
    let Target { quants, scales, mins } = target;
    let quants = quants.as_mut_ptr().cast::<u8>();
    let (scales, mins) = (scales.as_mut_ptr().cast::<f32>(), mins.as_mut_ptr().cast::<f32>());
    for (i, block_idx) in blocks.enumerate() {
        for half in 0..2 {
            // SAFETY: of block `block_idx` all 16 rows hold `BYTES` bytes, and the target has room
            // for `i` blocks before this one and for this one; both were asserted.
            let (rows, mut lanes) = unsafe {
                let start = half * N_ROWS * source.row_bytes + block_idx * BYTES;
                let first_scale = i * LEN / GROUP * PANEL_ROWS + half * N_ROWS;
                let rows = Rows::new(source.rows.as_ptr().add(start), source.row_bytes);
                let lanes = PanelLanes::new(
                    quants.add(i * LEN * PANEL_ROWS + half * N_ROWS * 4),
                    scales.add(first_scale),
                    mins.add(first_scale),
                );
                (rows, lanes)
            };
            let ahead = next_panel(source, block_idx * BYTES + half * BYTES / 2);
            unpack(&mut rows.prefetching(ahead), &mut lanes);
        }
    }
}

/// The rows of the next panel usually follow in memory. 16 short rows are too many streams for the
/// hardware to foresee, so every read of this one asks for as many bytes of the next, from here on
/// when `n_bytes` of each row are done.
fn next_panel(source: Source, n_bytes: usize) -> *const u8 {
    source.rows.as_ptr().wrapping_add(source.rows.len() + PANEL_ROWS * n_bytes)
}

/// Puts the sums of eight rows from each of `first_rows` on where they belong, token by token.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn store_rows<const N: usize, const T: usize>(
    first_rows: [usize; N],
    acc: [[__m256; T]; N],
    out: &mut Tile,
) {
    for (first_row, acc) in first_rows.into_iter().zip(acc) {
        for (acc, out) in acc.into_iter().zip(out.iter_mut()) {
            let out = &mut out[first_row..][..N_ROWS];
            // SAFETY: `out` holds 8 values; the store needs no alignment.
            unsafe { _mm256_storeu_ps(out.as_mut_ptr(), acc) };
        }
    }
}
