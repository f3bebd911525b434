//! Weight rows, as a panel or as they are stored, times tiles of up to 4 tokens.

use crate::block::{CHUNK, CHUNK_GROUPS, decode_row_inline, unpack_row_inline};
use crate::panel::{TileView, count_rows};
use crate::table::Tile;
use crate::{
    ACT_GROUP, DType, F32Panel, IntForm, IntPanel, PANEL_ROWS, QuantizedTile, Quants, TILE_TOKENS,
};

pub(crate) fn int_panel(panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile]) {
    check_panel(panel, x, out);
    let form = panel.form;
    for (x, out) in x.iter().zip(out) {
        let x = x.view();
        for (t, out) in out.iter_mut().take(x.n_tokens).enumerate() {
            for (r, out) in out.iter_mut().enumerate() {
                *out = 0.0;
                for idx in 0..panel.n_in / form.group {
                    let steps = &panel.quants[idx * form.group / 4..][..form.group / 4];
                    let quants = steps.iter().map(|step| step.0[r]);
                    let (scale, min) = (panel.scales[idx].0[r], panel.mins[idx].0[r]);
                    *out = Group { form, idx, quants, scale, min }.add_product(&x, t, *out);
                }
            }
        }
    }
}

/// Shapes that a table may rely on: tiles and panel have the same columns, whole groups, and the
/// panel's vectors hold them all.
pub(crate) fn check_panel(panel: &IntPanel, x: &[QuantizedTile], out: &[Tile]) {
    assert_eq!(x.len(), out.len(), "as many tiles of results as of tokens");
    let same_columns = x.iter().all(|x| x.n_in == panel.n_in);
    assert!(same_columns, "panel and activations differ in columns");
    let n_groups = panel.n_in / panel.form.group;
    assert!(panel.n_in.is_multiple_of(ACT_GROUP), "whole groups of columns");
    assert!(panel.quants.len() >= panel.n_in / 4, "quants of the whole panel");
    assert!(panel.scales.len() >= n_groups, "scales of the whole panel");
    assert!(panel.mins.len() >= n_groups || !panel.form.has_mins, "mins of the whole panel");
}

pub(crate) fn int_rows(
    dtype: DType,
    rows: &[u8],
    n_in: usize,
    x: &QuantizedTile,
    out: &mut [Tile],
) {
    let (form, x, n_rows) = start_int_rows(dtype, rows, n_in, x, out);
    let row_bytes = rows.len() / n_rows.max(1);
    let chunk_bytes = CHUNK / dtype.block_len() * dtype.block_bytes();
    let (mut quants, mut scales, mut mins) = ([0; CHUNK], [0.0; CHUNK_GROUPS], [0.0; CHUNK_GROUPS]);
    for (row_idx, row) in rows.chunks_exact(row_bytes.max(1)).enumerate() {
        let (out, r) = (&mut out[row_idx / PANEL_ROWS], row_idx % PANEL_ROWS);
        out[..x.n_tokens].iter_mut().for_each(|out| out[r] = 0.0);
        for (chunk_idx, bytes) in row.chunks(chunk_bytes).enumerate() {
            let n_cols = (n_in - chunk_idx * CHUNK).min(CHUNK);
            let n_groups = n_cols / form.group;
            let n_mins = if form.has_mins { n_groups } else { 0 };
            let (quants, scales) = (&mut quants[..n_cols], &mut scales[..n_groups]);
            unpack_row_inline(dtype, bytes, quants, scales, &mut mins[..n_mins]);
            for (t, out) in out[..x.n_tokens].iter_mut().enumerate() {
                for (g, quants) in quants.chunks_exact(form.group).enumerate() {
                    let idx = chunk_idx * CHUNK / form.group + g;
                    let quants = quants.as_chunks::<4>().0.iter().copied();
                    let group = Group { form, idx, quants, scale: scales[g], min: mins[g] };
                    out[r] = group.add_product(&x, t, out[r]);
                }
            }
        }
    }
}

/// The form of `dtype`, the tile and how many rows `rows` are.
pub(crate) fn start_int_rows<'a>(
    dtype: DType,
    rows: &[u8],
    n_in: usize,
    x: &'a QuantizedTile,
    out: &[Tile],
) -> (IntForm, TileView<'a>, usize) {
    assert_eq!(n_in, x.n_in, "weights and activations differ in columns");
    let form = dtype.int_form().expect("float types have no integer form");
    let n_rows = count_rows(dtype, rows.len(), n_in);
    assert_eq!(out.len(), n_rows.div_ceil(PANEL_ROWS), "a tile of results for every 16 rows");
    (form, x.view(), n_rows)
}

/// Columns of one weight row that share a scale: group `idx` of the row, `quants` by fours.
struct Group<Q> {
    form: IntForm,
    idx: usize,
    quants: Q,
    scale: f32,
    /// Not read when the form has no mins.
    min: f32,
}

impl<Q: Iterator<Item = [u8; 4]>> Group<Q> {
    /// `acc` and the product with these columns of token `t`.
    fn add_product(self, x: &TileView, t: usize, acc: f32) -> f32 {
        let Self { form, idx, quants, scale, min } = self;
        let activations = x.quants.as_chunks::<4>().0;
        let mut sum = 0;
        for (step, w) in quants.enumerate() {
            let a = activations[(idx * form.group / 4 + step) * x.n_tokens + t];
            for i in 0..4 {
                let w = match form.quants {
                    Quants::I8 => i32::from(w[i] as i8),
                    Quants::U4 | Quants::U5 | Quants::U6 => i32::from(w[i]),
                };
                sum += w * i32::from(a[i]);
            }
        }
        let x_scale = x.scales[idx * form.group / ACT_GROUP * x.n_tokens + t];
        let acc = (scale * x_scale).mul_add(sum as f32, acc);
        if !form.has_mins {
            return acc;
        }
        let x_sums = if form.group == 16 { x.sums16 } else { x.sums32 };
        (-min).mul_add(x_sums[idx * x.n_tokens + t], acc)
    }
}

pub(crate) fn f32_panel(panel: &F32Panel, x: &[f32], out: &mut [Tile]) {
    check_f32_panel(panel, x, out);
    let weights = &panel.values[..panel.n_in];
    let n_in = panel.n_in.max(1);
    for (x, out) in x.chunks(TILE_TOKENS * n_in).zip(out) {
        for (x, out) in x.chunks_exact(n_in).zip(out) {
            *out = [0.0; PANEL_ROWS];
            for (&x, weights) in x.iter().zip(weights) {
                for r in 0..PANEL_ROWS {
                    out[r] = weights.0[r].mul_add(x, out[r]);
                }
            }
        }
    }
}

pub(crate) fn check_f32_panel(panel: &F32Panel, x: &[f32], out: &[Tile]) {
    let n_tokens = x.len().checked_div(panel.n_in).unwrap_or(0);
    assert_eq!(x.len(), n_tokens * panel.n_in, "x is whole rows of {} columns", panel.n_in);
    assert_eq!(out.len(), n_tokens.div_ceil(TILE_TOKENS), "a tile of results for every 4 tokens");
}

pub(crate) fn f32_rows(dtype: DType, rows: &[u8], n_in: usize, x: &[f32], out: &mut [Tile]) {
    let (n_tokens, n_rows) = start_f32_rows(dtype, rows, n_in, x, out);
    let row_bytes = rows.len() / n_rows.max(1);
    let mut weights = [0.0; CHUNK];
    for (row_idx, row) in rows.chunks_exact(row_bytes.max(1)).enumerate() {
        let (out, r) = (&mut out[row_idx / PANEL_ROWS], row_idx % PANEL_ROWS);
        out[..n_tokens].iter_mut().for_each(|out| out[r] = 0.0);
        for (chunk_idx, bytes) in row.chunks(CHUNK * dtype.block_bytes()).enumerate() {
            let weights = &mut weights[..bytes.len() / dtype.block_bytes()];
            decode_row_inline(dtype, bytes, weights);
            for (x, out) in x.chunks_exact(n_in).zip(out.iter_mut()) {
                let x = &x[chunk_idx * CHUNK..][..weights.len()];
                for (&w, &x) in weights.iter().zip(x) {
                    out[r] = w.mul_add(x, out[r]);
                }
            }
        }
    }
}

/// How many tokens `x` is and how many rows `rows` are.
pub(crate) fn start_f32_rows(
    dtype: DType,
    rows: &[u8],
    n_in: usize,
    x: &[f32],
    out: &[Tile],
) -> (usize, usize) {
    assert!(!dtype.is_quantized(), "rows of {dtype} go through a panel");
    let n_tokens = x.len().checked_div(n_in).unwrap_or(0);
    assert!(x.len() == n_tokens * n_in && n_tokens <= TILE_TOKENS, "up to 4 whole rows");
    let n_rows = count_rows(dtype, rows.len(), n_in);
    assert_eq!(out.len(), n_rows.div_ceil(PANEL_ROWS), "a tile of results for every 16 rows");
    (n_tokens, n_rows)
}
