//! The tables for AVX-512 with VNNI: Ice Lake and Zen 4 and later. Those of AVX-512 but for int8.

use super::entries::entries;
use super::lanes::{Lanes8, Lanes16};
use super::vnni::{Evex, Vnni};
use super::{avx2, avx512, int_panel as product, rows};
use crate::scalar::matmul as scalar;
use crate::table::{Avx512Vnni, Avx512VnniHalved, Evidence, Kernels, Tile};
use crate::{DType, IntPanel, PANEL_ROWS, QuantizedTile};

/// The argument is the proof that these instructions exist here.
pub(crate) fn table(_: Avx512Vnni) -> &'static Kernels {
    &KERNELS
}

/// The same where operations of 512 bits are done in halves: short blocks on their way to few
/// tokens are moved about more than multiplied, which takes less in 256 bits there, while L1 has
/// them in time.
pub(crate) fn halved_table(_: Avx512VnniHalved) -> &'static Kernels {
    &HALVED
}

static HALVED: Kernels = Kernels { name: "avx512vnni256", int_rows: halved_rows, ..KERNELS };

static KERNELS: Kernels = Kernels {
    name: "avx512vnni",
    evidence: Evidence::Hardware,
    int_panel,
    int_rows,
    ..avx512::KERNELS
};

entries! {
    "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"
    fn int_panel(panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile]) = multiply;
    fn int_rows(dtype: DType, rows: &[u8], n_in: usize, x: &QuantizedTile, out: &mut [Tile])
        = multiply_rows;
    fn halved_rows(dtype: DType, rows: &[u8], n_in: usize, x: &QuantizedTile, out: &mut [Tile])
        = multiply_halved_rows;
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn multiply(panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile]) {
    product::int_panel::<_, 1>(Vnni::<Lanes16, Evex>::new(), panel, x, out);
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn multiply_rows(dtype: DType, rows: &[u8], n_in: usize, x: &QuantizedTile, out: &mut [Tile]) {
    let bytes = Vnni::<Lanes16, Evex>::new();
    rows::int_rows(bytes, avx2::KERNELS.int_rows, (dtype, rows, n_in), x, out);
}

#[target_feature(enable = "avx2,fma,f16c,avx512vl,avx512vnni")]
fn multiply_halved_rows(
    dtype: DType,
    rows: &[u8],
    n_in: usize,
    x: &QuantizedTile,
    out: &mut [Tile],
) {
    let panel_bytes = dtype.row_bytes(n_in).map_or(0, |row_bytes| PANEL_ROWS * row_bytes);
    if !rows::fits_l1(dtype.block_len(), panel_bytes) {
        return int_rows(dtype, rows, n_in, x, out);
    }
    rows::int_rows(Vnni::<Lanes8, Evex>::new(), scalar::int_rows, (dtype, rows, n_in), x, out);
}
