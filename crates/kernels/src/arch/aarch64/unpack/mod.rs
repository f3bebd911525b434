//! Weight rows, four at a time with a row in each lane, to panels.
//!
//! The same 16 bytes of four rows are loaded and transposed as words; what a format then does to
//! get at its bits is done to all four at once, and results are already interleaved as panels are.

mod floats;
mod k_quants;
mod lanes;
mod small_blocks;

use super::int_panel::Weights;
use crate::block::{CHUNK, CHUNK_GROUPS};
use crate::scalar::unpack as scalar;
use crate::{DType, F32Panel, IntPanel, PANEL_ROWS, Quants, RowValues, Step};
use lanes::{Lanes, Rows};

pub(super) use floats::unpack as unpack_floats;

#[target_feature(enable = "neon")]
pub(super) fn unpack_int(dtype: DType, rows: &[u8], n_in: usize, panel: &mut IntPanel) {
    let n_rows = panel.start(dtype, rows.len(), n_in);
    if n_rows < PANEL_ROWS {
        return scalar::unpack_int(dtype, rows, n_in, panel);
    }
    let n_groups = n_in / panel.form.group;
    let target = Target {
        quants: &mut panel.quants[..n_in / 4],
        scales: &mut panel.scales[..n_groups],
        mins: &mut panel.mins[..n_groups],
    };
    unpack_blocks(dtype, &whole_rows(rows), 0, target);
}

#[target_feature(enable = "neon")]
pub(super) fn unpack_f32(dtype: DType, rows: &[u8], n_in: usize, panel: &mut F32Panel) {
    let n_rows = panel.start(dtype, rows.len(), n_in);
    if n_rows < PANEL_ROWS {
        return scalar::unpack_f32(dtype, rows, n_in, panel);
    }
    let (rows, values) = (whole_rows(rows), &mut panel.values[..n_in]);
    if !dtype.is_quantized() {
        return unpack_floats(dtype, &rows, 0, values);
    }
    let mut chunk = Chunk::new();
    for (chunk_idx, values) in values.chunks_mut(CHUNK).enumerate() {
        widen(chunk.unpack(dtype, &rows, chunk_idx * CHUNK, values.len()), values);
    }
}

/// `scale * q - min`: `values` `[n_cols]`.
#[target_feature(enable = "neon")]
fn widen(weights: Weights, values: &mut [RowValues]) {
    let Weights { form, quants, scales, mins } = weights;
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

/// The 16 rows in `rows`.
pub(super) fn whole_rows(rows: &[u8]) -> [&[u8]; PANEL_ROWS] {
    let row_bytes = rows.len() / PANEL_ROWS;
    std::array::from_fn(|r| &rows[r * row_bytes..][..row_bytes])
}

/// Up to `CHUNK` columns of 16 rows in integer form.
pub(super) struct Chunk {
    quants: [Step; CHUNK / 4],
    scales: [RowValues; CHUNK_GROUPS],
    mins: [RowValues; CHUNK_GROUPS],
}

impl Chunk {
    pub(super) fn new() -> Self {
        Self {
            quants: [Step::ZERO; CHUNK / 4],
            scales: [RowValues::ZERO; CHUNK_GROUPS],
            mins: [RowValues::ZERO; CHUNK_GROUPS],
        }
    }

    /// Takes columns `first_col..first_col + n_cols` of `rows`, both whole blocks.
    #[target_feature(enable = "neon")]
    pub(super) fn unpack(
        &mut self,
        dtype: DType,
        rows: &[&[u8]; PANEL_ROWS],
        first_col: usize,
        n_cols: usize,
    ) -> Weights<'_> {
        let form = dtype.int_form().expect("float types have no integer form");
        let n_groups = n_cols / form.group;
        let (quants, scales, mins) = (
            &mut self.quants[..n_cols / 4],
            &mut self.scales[..n_groups],
            &mut self.mins[..n_groups],
        );
        let target = Target { quants, scales, mins };
        unpack_blocks(dtype, rows, first_col / dtype.block_len(), target);
        Weights { form, quants, scales, mins }
    }
}

/// Room for some blocks of 16 rows, laid out like `IntPanel`.
struct Target<'a> {
    quants: &'a mut [Step],
    scales: &'a mut [RowValues],
    mins: &'a mut [RowValues],
}

/// As many blocks from `first_block` on as `target` has room for.
#[target_feature(enable = "neon")]
fn unpack_blocks(dtype: DType, rows: &[&[u8]; PANEL_ROWS], first_block: usize, target: Target) {
    use {k_quants as k, small_blocks as small};
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => unreachable!("float types have no integer form"),
        DType::Q4_0 => each(rows, first_block, target, |rows, lanes| small::q4_0(rows, lanes)),
        DType::Q4_1 => each(rows, first_block, target, |rows, lanes| small::q4_1(rows, lanes)),
        DType::Q5_0 => each(rows, first_block, target, |rows, lanes| small::q5_0(rows, lanes)),
        DType::Q5_1 => each(rows, first_block, target, |rows, lanes| small::q5_1(rows, lanes)),
        DType::Q8_0 => each(rows, first_block, target, |rows, lanes| small::q8_0(rows, lanes)),
        DType::Iq4Nl => each(rows, first_block, target, |rows, lanes| small::iq4_nl(rows, lanes)),
        DType::Q2K => each(rows, first_block, target, |rows, lanes| k::q2_k(rows, lanes)),
        DType::Q3K => each(rows, first_block, target, |rows, lanes| k::q3_k(rows, lanes)),
        DType::Q4K => each(rows, first_block, target, |rows, lanes| k::q4_k(rows, lanes)),
        DType::Q5K => each(rows, first_block, target, |rows, lanes| k::q5_k(rows, lanes)),
        DType::Q6K => each(rows, first_block, target, |rows, lanes| k::q6_k(rows, lanes)),
        DType::Q8K => each(rows, first_block, target, |rows, lanes| k::q8_k(rows, lanes)),
        DType::Iq4Xs => each(rows, first_block, target, |rows, lanes| k::iq4_xs(rows, lanes)),
    }
}

/// Calls `unpack` for every four rows of each block, blocks in order.
#[target_feature(enable = "neon")]
fn each<const BYTES: usize, const STEPS: usize, const GROUPS: usize>(
    rows: &[&[u8]; PANEL_ROWS],
    first_block: usize,
    target: Target,
    unpack: impl Fn(Rows<BYTES>, Lanes<STEPS, GROUPS>),
) {
    let blocks = rows.map(|row| &row.as_chunks::<BYTES>().0[first_block..]);
    let quants = target.quants.as_chunks_mut::<STEPS>().0;
    let scales = target.scales.as_chunks_mut::<GROUPS>().0;
    let mins = target.mins.as_chunks_mut::<GROUPS>().0;
    assert!(quants.len() == scales.len() && quants.len() == mins.len(), "room for the same blocks");
    for (i, ((quants, scales), mins)) in quants.iter_mut().zip(scales).zip(mins).enumerate() {
        for quarter in 0..4 {
            let rows = [0, 1, 2, 3].map(|r| &blocks[4 * quarter + r][i]);
            unpack(Rows(rows), Lanes { quants, scales, mins, quarter });
        }
    }
}
