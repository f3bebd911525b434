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

use std::ops::Range;

use crate::block::{CHUNK, CHUNK_GROUPS};
use crate::scalar::unpack as scalar;
use crate::{DType, F32Panel, IntForm, IntPanel, PANEL_ROWS, Quants, RowValues, Step};
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
        widen(form, &quants, &scales, &mins, values);
    }
}

/// `scale * q - min` for one chunk of a panel: `values` `[n_cols]`.
#[target_feature(enable = "avx2,fma,f16c")]
fn widen(
    form: IntForm,
    quants: &[Step],
    scales: &[RowValues],
    mins: &[RowValues],
    values: &mut [RowValues],
) {
    for (col, values) in values.iter_mut().enumerate() {
        let (quants, scales, mins) =
            (&quants[col / 4], &scales[col / form.group], &mins[col / form.group]);
        for r in 0..PANEL_ROWS {
            let q = quants.0[r][col % 4];
            values.0[r] = match form.quants {
                Quants::I8 => scales.0[r] * f32::from(q as i8),
                Quants::U4 | Quants::U5 | Quants::U6 => scales.0[r] * f32::from(q) - mins.0[r],
            };
        }
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
    use {k_quants as k, small_blocks as small};
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => unreachable!("float types have no integer form"),
        DType::Q4_0 => each(source, blocks, target, |rows, lanes| small::q4_0(rows, lanes)),
        DType::Q4_1 => each(source, blocks, target, |rows, lanes| small::q4_1(rows, lanes)),
        DType::Q5_0 => each(source, blocks, target, |rows, lanes| small::q5_0(rows, lanes)),
        DType::Q5_1 => each(source, blocks, target, |rows, lanes| small::q5_1(rows, lanes)),
        DType::Q8_0 => each(source, blocks, target, |rows, lanes| small::q8_0(rows, lanes)),
        DType::Iq4Nl => each(source, blocks, target, |rows, lanes| small::iq4_nl(rows, lanes)),
        DType::Q2K => each(source, blocks, target, |rows, lanes| k::q2_k(rows, lanes)),
        DType::Q3K => each(source, blocks, target, |rows, lanes| k::q3_k(rows, lanes)),
        DType::Q4K => each(source, blocks, target, |rows, lanes| k::q4_k(rows, lanes)),
        DType::Q5K => each(source, blocks, target, |rows, lanes| k::q5_k(rows, lanes)),
        DType::Q6K => each(source, blocks, target, |rows, lanes| k::q6_k(rows, lanes)),
        DType::Q8K => each(source, blocks, target, |rows, lanes| k::q8_k(rows, lanes)),
        DType::Iq4Xs => each(source, blocks, target, |rows, lanes| k::iq4_xs(rows, lanes)),
    }
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
