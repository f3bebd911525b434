//! Weight rows as they are stored times a tile of tokens, a chunk of columns at a time.

use std::arch::aarch64::*;

use super::dot::Dot;
use super::int_panel::{add_products, columns, store};
use super::unpack::{Chunk, whole_rows};
use crate::block::CHUNK;
use crate::panel::TileView;
use crate::scalar::matmul as scalar;
use crate::table::Tile;
use crate::{DType, PANEL_ROWS, QuantizedTile};

#[target_feature(enable = "neon")]
pub(super) fn int_rows<D: Dot>(
    dot: D,
    dtype: DType,
    rows: &[u8],
    n_in: usize,
    x: &QuantizedTile,
    out: &mut [Tile],
) {
    let (_, tile, n_rows) = scalar::start_int_rows(dtype, rows, n_in, x, out);
    let panel_bytes = PANEL_ROWS * (rows.len() / n_rows.max(1)).max(1);
    let mut chunk = Chunk::new();
    for (rows, out) in rows.chunks(panel_bytes).zip(out) {
        if rows.len() < panel_bytes {
            scalar::int_rows(dtype, rows, n_in, x, std::slice::from_mut(out));
            continue;
        }
        let rows = whole_rows(rows);
        match tile.n_tokens {
            0 => (),
            1 => multiply::<D, 1>(dot, dtype, &rows, &tile, &mut chunk, out),
            2 => multiply::<D, 2>(dot, dtype, &rows, &tile, &mut chunk, out),
            3 => multiply::<D, 3>(dot, dtype, &rows, &tile, &mut chunk, out),
            _ => multiply::<D, 4>(dot, dtype, &rows, &tile, &mut chunk, out),
        }
    }
}

#[target_feature(enable = "neon")]
fn multiply<D: Dot, const T: usize>(
    dot: D,
    dtype: DType,
    rows: &[&[u8]; PANEL_ROWS],
    x: &TileView,
    chunk: &mut Chunk,
    out: &mut Tile,
) {
    let n_in = x.quants.len() / T;
    let mut acc = [[vdupq_n_f32(0.0); 4]; T];
    for first_col in (0..n_in).step_by(CHUNK) {
        let n_cols = (n_in - first_col).min(CHUNK);
        let weights = chunk.unpack(dtype, rows, first_col, n_cols);
        add_products(dot, &weights, &columns(x, first_col, n_cols), &mut acc);
    }
    store(&acc, out);
}
