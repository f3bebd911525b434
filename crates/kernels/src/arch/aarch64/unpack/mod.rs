//! Weight rows, four at a time with a row in each lane, to panels.
//!
//! The same 16 bytes of four rows are loaded and transposed as words; what a format then does to
//! get at its bits is done to all four at once, and results are already interleaved as panels are.

mod few_bits;
mod floats;
mod fp4;
mod grids;
mod k_quants;
mod lanes;
mod small_blocks;

use super::int_panel::Weights;
use crate::block::{CHUNK, CHUNK_GROUPS};
use crate::scalar::unpack as scalar;
use crate::{DType, F32Panel, IntPanel, PANEL_ROWS, RowValues, Step};
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
        let Weights { form, quants, scales, mins } =
            chunk.unpack(dtype, &rows, chunk_idx * CHUNK, values.len());
        scalar::widen(form, quants, scales, mins, values);
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
    macro_rules! unpack {
        ($unpack:path, $_Format:path) => {
            each(rows, first_block, target, |rows, lanes| $unpack(rows, lanes))
        };
    }
    by_format!(dtype, unpack)
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
