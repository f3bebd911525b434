//! Weight rows to panels, one row after another.

use crate::block::{CHUNK, CHUNK_GROUPS, decode_row_inline, unpack_row_inline};
use crate::{DType, F32Panel, IntPanel, PANEL_ROWS};

#[inline(always)]
pub(crate) fn unpack_int(dtype: DType, rows: &[u8], n_in: usize, panel: &mut IntPanel) {
    let n_rows = panel.start(dtype, rows.len(), n_in);
    let form = panel.form;
    let n_groups = n_in / form.group;
    let has_min = usize::from(form.has_mins);
    if n_rows < PANEL_ROWS {
        panel.quants[..n_in * PANEL_ROWS].fill(0);
        panel.scales[..n_groups * PANEL_ROWS].fill(0.0);
        panel.mins[..n_groups * PANEL_ROWS * has_min].fill(0.0);
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

            let lanes = panel.quants.as_chunks_mut::<4>().0;
            let quads = quants.as_chunks::<4>().0;
            for (i, quad) in quads.iter().enumerate() {
                lanes[(first_col / 4 + i) * PANEL_ROWS + r] = *quad;
            }
            for g in 0..n_groups {
                let i = (first_col / form.group + g) * PANEL_ROWS + r;
                panel.scales[i] = scales[g];
                if form.has_mins {
                    panel.mins[i] = mins[g];
                }
            }
        }
    }
}

#[inline(always)]
pub(crate) fn unpack_f32(dtype: DType, rows: &[u8], n_in: usize, panel: &mut F32Panel) {
    let n_rows = panel.start(dtype, rows.len(), n_in);
    if n_rows < PANEL_ROWS {
        panel.values[..n_in * PANEL_ROWS].fill(0.0);
    }
    let row_bytes = rows.len() / n_rows.max(1);
    let chunk_bytes = CHUNK / dtype.block_len() * dtype.block_bytes();
    let mut values = [0.0; CHUNK];
    for (r, row) in rows.chunks_exact(row_bytes.max(1)).enumerate() {
        let chunks = panel.values[..n_in * PANEL_ROWS].chunks_mut(CHUNK * PANEL_ROWS);
        for (bytes, panel) in row.chunks(chunk_bytes).zip(chunks) {
            let values = &mut values[..panel.len() / PANEL_ROWS];
            decode_row_inline(dtype, bytes, values);
            let cols = panel.as_chunks_mut::<PANEL_ROWS>().0;
            cols.iter_mut().zip(values).for_each(|(col, &mut w)| col[r] = w);
        }
    }
}
