//! Weight rows to panels, eight rows at a time with a row in each lane.
//!
//! The same 16 bytes of eight rows are loaded and transposed as words; what a format then does to
//! get at its bits is done to all rows at once, and results are already interleaved as panels are.

mod floats;
mod k_quants;
mod lanes;
mod small_blocks;

use std::arch::x86_64::*;
use std::ops::Range;

use crate::block::{CHUNK, CHUNK_GROUPS};
use crate::scalar::unpack as scalar;
use crate::{DType, F32Panel, IntForm, IntPanel, PANEL_ROWS, Quants};
use lanes::{Lanes, Rows};

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
        return floats::unpack(dtype, source, &mut panel.values[..n_in * PANEL_ROWS]);
    };
    let mut quants = [0; CHUNK * PANEL_ROWS];
    let mut scales = [0.0; CHUNK_GROUPS * PANEL_ROWS];
    let mut mins = [0.0; CHUNK_GROUPS * PANEL_ROWS];
    let chunks = panel.values[..n_in * PANEL_ROWS].chunks_mut(CHUNK * PANEL_ROWS);
    for (chunk_idx, values) in chunks.enumerate() {
        let first = chunk_idx * CHUNK / dtype.block_len();
        let blocks = first..first + values.len() / PANEL_ROWS / dtype.block_len();
        let target = Target { quants: &mut quants, scales: &mut scales, mins: &mut mins };
        unpack_blocks(dtype, source, blocks, target);
        widen(form, &quants, &scales, &mins, values);
    }
}

/// `scale * q - min` for one chunk of a panel: `values` `[n_cols, PANEL_ROWS]`.
#[target_feature(enable = "avx2,fma,f16c")]
fn widen(form: IntForm, quants: &[u8], scales: &[f32], mins: &[f32], values: &mut [f32]) {
    let lanes = quants.as_chunks::<4>().0;
    for (col, values) in values.as_chunks_mut::<PANEL_ROWS>().0.iter_mut().enumerate() {
        let group = col / form.group * PANEL_ROWS;
        let (scales, mins) = (&scales[group..][..PANEL_ROWS], &mins[group..][..PANEL_ROWS]);
        let lanes = &lanes[col / 4 * PANEL_ROWS..][..PANEL_ROWS];
        for r in 0..PANEL_ROWS {
            let q = lanes[r][col % 4];
            values[r] = match form.quants {
                Quants::I8 => scales[r] * f32::from(q as i8),
                Quants::U4 | Quants::U5 | Quants::U6 => scales[r] * f32::from(q) - mins[r],
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
    quants: &'a mut [u8],
    scales: &'a mut [f32],
    mins: &'a mut [f32],
}

#[target_feature(enable = "avx2,fma,f16c")]
fn unpack_blocks(dtype: DType, source: Source, blocks: Range<usize>, target: Target) {
    use {k_quants as k, small_blocks as small};
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => unreachable!("float types have no integer form"),
        DType::Q4_0 => each::<18, 32, 32>(source, blocks, target, |r, l| small::q4_0(r, l)),
        DType::Q4_1 => each::<20, 32, 32>(source, blocks, target, |r, l| small::q4_1(r, l)),
        DType::Q5_0 => each::<22, 32, 32>(source, blocks, target, |r, l| small::q5_0(r, l)),
        DType::Q5_1 => each::<24, 32, 32>(source, blocks, target, |r, l| small::q5_1(r, l)),
        DType::Q8_0 => each::<34, 32, 32>(source, blocks, target, |r, l| small::q8_0(r, l)),
        DType::Iq4Nl => each::<18, 32, 32>(source, blocks, target, |r, l| small::iq4_nl(r, l)),
        DType::Q2K => each::<84, 256, 16>(source, blocks, target, |r, l| k::q2_k(r, l)),
        DType::Q3K => each::<110, 256, 16>(source, blocks, target, |r, l| k::q3_k(r, l)),
        DType::Q4K => each::<144, 256, 32>(source, blocks, target, |r, l| k::q4_k(r, l)),
        DType::Q5K => each::<176, 256, 32>(source, blocks, target, |r, l| k::q5_k(r, l)),
        DType::Q6K => each::<210, 256, 16>(source, blocks, target, |r, l| k::q6_k(r, l)),
        DType::Q8K => each::<292, 256, 32>(source, blocks, target, |r, l| k::q8_k(r, l)),
        DType::Iq4Xs => each::<136, 256, 32>(source, blocks, target, |r, l| k::iq4_xs(r, l)),
    }
}

/// Calls `unpack` for both halves of each block, blocks in order.
#[target_feature(enable = "avx2,fma,f16c")]
fn each<const BYTES: usize, const LEN: usize, const GROUP: usize>(
    source: Source,
    blocks: Range<usize>,
    target: Target,
    unpack: impl Fn(Rows, Lanes),
) {
    const HALF: usize = PANEL_ROWS / 2;
    let n_scales = blocks.len() * LEN / GROUP * PANEL_ROWS;
    assert!(source.rows.len() == PANEL_ROWS * source.row_bytes);
    assert!(blocks.start <= blocks.end && blocks.end * BYTES <= source.row_bytes);
    assert!(target.quants.len() >= blocks.len() * LEN * PANEL_ROWS);
    assert!(target.scales.len() >= n_scales && target.mins.len() >= n_scales);
    let Target { quants, scales, mins } = target;
    let (quants, scales, mins) = (quants.as_mut_ptr(), scales.as_mut_ptr(), mins.as_mut_ptr());
    for (i, block_idx) in blocks.enumerate() {
        prefetch_next_panel::<BYTES>(source, block_idx);
        for half in 0..2 {
            // SAFETY: of block `block_idx` all 16 rows hold `BYTES` bytes, and the target has room
            // for `i` blocks before this one and for this one; both were asserted.
            let (rows, lanes) = unsafe {
                let start = half * HALF * source.row_bytes + block_idx * BYTES;
                let first_scale = i * LEN / GROUP * PANEL_ROWS + half * HALF;
                let rows = Rows::new(source.rows.as_ptr().add(start), source.row_bytes, BYTES);
                let lanes = Lanes::new(
                    quants.add(i * LEN * PANEL_ROWS + half * HALF * 4),
                    scales.add(first_scale),
                    mins.add(first_scale),
                    LEN / 4,
                    LEN / GROUP,
                );
                (rows, lanes)
            };
            unpack(rows, lanes);
        }
    }
}

/// The rows of the next panel usually follow in memory; 16 short rows are too many streams for the
/// hardware to foresee, so ask for as many bytes there as a block takes here.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn prefetch_next_panel<const BYTES: usize>(source: Source, block_idx: usize) {
    const LINE: usize = 64;
    let start = source.rows.len() + block_idx * BYTES * PANEL_ROWS;
    for at in (0..BYTES * PANEL_ROWS).step_by(LINE) {
        let line = source.rows.as_ptr().wrapping_add(start + at);
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
}
