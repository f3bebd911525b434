//! Weight rows: see `../rows/`.

use super::super::lanes::Lanes8;
use super::super::rows::{self, WordSums};
use crate::scalar::matmul as scalar;
use crate::table::Tile;
use crate::{DType, F32Panel, IntPanel, QuantizedTile};

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn unpack_int(dtype: DType, rows: &[u8], n_in: usize, panel: &mut IntPanel) {
    rows::unpack_int(Lanes8::new(), dtype, rows, n_in, panel);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn unpack_f32(dtype: DType, rows: &[u8], n_in: usize, panel: &mut F32Panel) {
    rows::unpack_f32(Lanes8::new(), dtype, rows, n_in, panel);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn int_rows(
    dtype: DType,
    rows: &[u8],
    n_in: usize,
    x: &QuantizedTile,
    out: &mut [Tile],
) {
    let bytes = WordSums(Lanes8::new());
    rows::int_rows(bytes, scalar::int_rows, (dtype, rows, n_in), x, out);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn f32_rows(dtype: DType, rows: &[u8], n_in: usize, x: &[f32], out: &mut [Tile]) {
    rows::f32_rows(Lanes8::new(), scalar::f32_rows, (dtype, rows, n_in), x, out);
}
