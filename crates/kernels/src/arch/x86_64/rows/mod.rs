//! Weight rows with a row in each lane: to panels, or straight to products.
//!
//! The same 16 bytes of as many rows as a register has lanes are loaded and transposed as words;
//! what a format then does to get at its bits is done to all rows at once, and results are already
//! interleaved as panels are. A format is written once, for every width, and hands its registers to
//! a `Sink`: `PanelSink` stores them, `Products` multiplies them by a few tokens.

mod block_rows;
mod compiled;
mod few_bits;
mod floats;
mod format;
mod fp4;
mod grids;
mod int_rows;
mod k_quants;
mod panel_sink;
mod part_sums;
mod products;
mod small_blocks;

use std::ops::Range;

use super::prefetch::{Ahead, Cache};
use super::words::Words;
use crate::block::{CHUNK, CHUNK_GROUPS};
use crate::scalar::unpack as scalar;
use crate::table::Tile;
use crate::{ACT_GROUP, DType, F32Panel, IntPanel, PANEL_ROWS, RowValues, Step};
use block_rows::Rows;
use compiled::Unpack;
use format::Format;
use panel_sink::PanelSink;

pub(super) use floats::f32_rows;
pub(super) use int_rows::int_rows;
pub(super) use part_sums::WordSums;

pub(super) fn unpack_int<L: Unpack>(
    lanes: L,
    dtype: DType,
    rows: &[u8],
    n_in: usize,
    panel: &mut IntPanel,
) {
    let n_rows = panel.start(dtype, rows.len(), n_in);
    if n_rows < PANEL_ROWS {
        return scalar::unpack_int(dtype, rows, n_in, panel);
    }
    let source = Source { rows, row_bytes: rows.len() / PANEL_ROWS };
    let blocks = 0..n_in / dtype.block_len();
    let target =
        Target { quants: &mut panel.quants, scales: &mut panel.scales, mins: &mut panel.mins };
    unpack_blocks(lanes, dtype, source, blocks, target);
}

pub(super) fn unpack_f32<L: Unpack>(
    lanes: L,
    dtype: DType,
    rows: &[u8],
    n_in: usize,
    panel: &mut F32Panel,
) {
    let n_rows = panel.start(dtype, rows.len(), n_in);
    if n_rows < PANEL_ROWS {
        return scalar::unpack_f32(dtype, rows, n_in, panel);
    }
    let source = Source { rows, row_bytes: rows.len() / PANEL_ROWS };
    let Some(form) = dtype.int_form() else {
        return floats::unpack(lanes, dtype, source, &mut panel.values[..n_in]);
    };
    let mut quants = [Step::ZERO; CHUNK / 4];
    let mut scales = [RowValues::ZERO; CHUNK_GROUPS];
    let mut mins = [RowValues::ZERO; CHUNK_GROUPS];
    let chunks = panel.values[..n_in].chunks_mut(CHUNK);
    for (chunk_idx, values) in chunks.enumerate() {
        let first = chunk_idx * CHUNK / dtype.block_len();
        let blocks = first..first + values.len() / dtype.block_len();
        let target = Target { quants: &mut quants, scales: &mut scales, mins: &mut mins };
        unpack_blocks(lanes, dtype, source, blocks, target);
        lanes.widen(form, &quants, &scales, &mins, values);
    }
}

/// The bytes of some whole rows, up to 16.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    rows: &'a [u8],
    row_bytes: usize,
}

/// Room for some blocks of 16 rows, laid out like `IntPanel`.
pub(super) struct Target<'a> {
    quants: &'a mut [Step],
    scales: &'a mut [RowValues],
    mins: &'a mut [RowValues],
}

fn unpack_blocks<L: Unpack>(
    lanes: L,
    dtype: DType,
    source: Source,
    blocks: Range<usize>,
    target: Target,
) {
    macro_rules! unpack {
        ($_unpack:path, $Format:path) => {
            lanes.unpack::<$Format>(source, blocks, target)
        };
    }
    by_format!(dtype, unpack)
}

/// All 16 rows of each block, blocks in order.
#[inline(always)]
fn unpack_each<L: Words, F: Format>(
    lanes: L,
    source: Source,
    blocks: Range<usize>,
    target: Target,
) {
    let n_groups = blocks.len() * F::LEN / F::GROUP;
    assert!(source.rows.len() == PANEL_ROWS * source.row_bytes);
    assert!(blocks.start <= blocks.end && blocks.end * F::BYTES <= source.row_bytes);
    assert!(target.quants.len() >= blocks.len() * F::LEN / 4);
    assert!(target.scales.len() >= n_groups && target.mins.len() >= n_groups);
    let Target { quants, scales, mins } = target;
    let quants = quants.as_mut_ptr().cast::<u8>();
    let (scales, mins) = (scales.as_mut_ptr().cast::<f32>(), mins.as_mut_ptr().cast::<f32>());
    for (i, block_idx) in blocks.enumerate() {
        for first_row in (0..PANEL_ROWS).step_by(L::N) {
            // SAFETY: of block `block_idx` all 16 rows hold `F::BYTES` bytes, and the target has
            // room for `i` blocks before this one and for this one; both were asserted.
            let (rows, mut sink) = unsafe {
                let start = first_row * source.row_bytes + block_idx * F::BYTES;
                let first_scale = i * F::LEN / F::GROUP * PANEL_ROWS + first_row;
                let start = source.rows.as_ptr().add(start);
                let rows = Rows::<L, F>::new(lanes, start, source.row_bytes);
                let sink = PanelSink::<L, F>::new(
                    lanes,
                    quants.add(i * F::LEN * PANEL_ROWS + first_row * 4),
                    scales.add(first_scale),
                    mins.add(first_scale),
                );
                (rows, sink)
            };
            let done = PANEL_ROWS * block_idx * F::BYTES + first_row * F::BYTES;
            F::unpack(&mut rows.prefetching(next_panel(source, F::LEN).skip(done)), &mut sink);
        }
    }
}

/// The rows of the next panel usually follow in memory. 16 short rows are too many streams for the
/// hardware to foresee, so every read of this panel asks for as many bytes of the next.
#[inline(always)]
fn next_panel(source: Source, block_len: usize) -> Ahead {
    let fits_l1 = fits_l1(block_len, source.rows.len());
    let into = if fits_l1 { Cache::L1 } else { Cache::L2 };
    Ahead::new(source.rows.as_ptr(), into).skip(source.rows.len())
}

/// Whether L1, of 32 KiB in most CPUs, has room for a panel and the next, which is brought in while
/// this one is read a block of each row at a time, and for the activations. What becomes of long
/// blocks on the way to their products leaves them none.
#[inline(always)]
pub(super) fn fits_l1(block_len: usize, panel_bytes: usize) -> bool {
    block_len <= ACT_GROUP && panel_bytes <= 14 << 10
}

/// Puts the sums of `L::N` rows from each of `first_rows` on where they belong, token by token.
#[inline(always)]
fn store_rows<L: Words, const N: usize, const T: usize>(
    lanes: L,
    first_rows: [usize; N],
    acc: [[L::Floats; T]; N],
    out: &mut Tile,
) {
    for n in 0..N {
        for t in 0..T {
            let out = &mut out[t][first_rows[n]..][..L::N];
            // SAFETY: `out` holds a register.
            unsafe { lanes.store(out.as_mut_ptr(), acc[n][t]) };
        }
    }
}
