//! Weight rows to panels, one row after another.

use crate::block::{CHUNK, CHUNK_GROUPS, decode_row_inline, unpack_row_inline};
use crate::{DType, F32Panel, IntForm, IntPanel, PANEL_ROWS, Quants, RowValues, Step};

#[inline(always)]
pub(crate) fn unpack_int(dtype: DType, rows: &[u8], n_in: usize, panel: &mut IntPanel) {
    let n_rows = panel.start(dtype, rows.len(), n_in);
    let form = panel.form;
    let n_groups = n_in / form.group;
    let has_min = usize::from(form.has_mins);
    if n_rows < PANEL_ROWS {
        panel.quants[..n_in / 4].fill(Step::ZERO);
        panel.scales[..n_groups].fill(RowValues::ZERO);
        panel.mins[..n_groups * has_min].fill(RowValues::ZERO);
    }
    let row_bytes = rows.len() / n_rows.max(1);
    let chunk_bytes = CHUNK / dtype.block_len() * dtype.block_bytes();
    let (mut quants, mut scales, mut mins) = ([0; CHUNK], [0.0; CHUNK_GROUPS], [0.0; CHUNK_GROUPS]);
    for (r, row) in rows.chunks_exact(row_bytes.max(1)).enumerate() {
        for (chunk_idx, bytes) in row.chunks(chunk_bytes).enumerate() {
            let first_col = chunk_idx * CHUNK;
            let n_cols = (n_in - first_col).min(CHUNK);
            let n_groups = n_cols / form.group;
            let (quants, scales) = (&mut quants[..n_cols], &mut scales[..n_groups]);
            let mins = &mut mins[..n_groups * has_min];
            unpack_row_inline(dtype, bytes, quants, scales, mins);

            let steps = &mut panel.quants[first_col / 4..];
            steps.iter_mut().zip(quants.as_chunks::<4>().0).for_each(|(step, q)| step.0[r] = *q);
            let first_group = first_col / form.group;
            let targets = panel.scales[first_group..].iter_mut();
            targets.zip(scales).for_each(|(target, scale)| target.0[r] = *scale);
            let targets = panel.mins[first_group..].iter_mut();
            targets.zip(mins).for_each(|(target, min)| target.0[r] = *min);
        }
    }
}

#[inline(always)]
pub(crate) fn unpack_f32(dtype: DType, rows: &[u8], n_in: usize, panel: &mut F32Panel) {
    let n_rows = panel.start(dtype, rows.len(), n_in);
    if n_rows < PANEL_ROWS {
        panel.values[..n_in].fill(RowValues::ZERO);
    }
    let row_bytes = rows.len() / n_rows.max(1);
    let chunk_bytes = CHUNK / dtype.block_len() * dtype.block_bytes();
    let mut values = [0.0; CHUNK];
    for (r, row) in rows.chunks_exact(row_bytes.max(1)).enumerate() {
        let chunks = panel.values[..n_in].chunks_mut(CHUNK);
        for (bytes, panel) in row.chunks(chunk_bytes).zip(chunks) {
            let values = &mut values[..panel.len()];
            decode_row_inline(dtype, bytes, values);
            panel.iter_mut().zip(values).for_each(|(col, &mut w)| col.0[r] = w);
        }
    }
}

/// `scale * q - min` for some columns of a panel: `values` `[n_cols]`.
#[inline(always)]
pub(crate) fn widen(
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
