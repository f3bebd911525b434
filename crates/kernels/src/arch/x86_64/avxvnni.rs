//! The table for AVX-VNNI: laptops since 2021 that have no AVX-512. That of AVX2 but for int8.

use super::entries::entries;
use super::lanes::Lanes8;
use super::vnni::{Vex, Vnni};
use super::{avx2, int_panel as product, rows};
use crate::scalar::matmul as scalar;
use crate::table::{AvxVnni, Evidence, Kernels, Tile};
use crate::{DType, IntPanel, QuantizedTile};

/// The argument is the proof that these instructions exist here.
pub(crate) fn table(_: AvxVnni) -> &'static Kernels {
    &KERNELS
}

static KERNELS: Kernels =
    Kernels { name: "avxvnni", evidence: Evidence::Hardware, int_panel, int_rows, ..avx2::KERNELS };

entries! {
    "avx2,fma,f16c,avxvnni"
    fn int_panel(panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile]) = multiply;
    fn int_rows(dtype: DType, rows: &[u8], n_in: usize, x: &QuantizedTile, out: &mut [Tile])
        = multiply_rows;
}

#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
fn multiply(panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile]) {
    product::int_panel::<_, 2>(Vnni::<Lanes8, Vex>::new(), panel, x, out);
}

#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
fn multiply_rows(dtype: DType, rows: &[u8], n_in: usize, x: &QuantizedTile, out: &mut [Tile]) {
    let bytes = Vnni::<Lanes8, Vex>::new();
    rows::int_rows(bytes, scalar::int_rows, (dtype, rows, n_in), x, out);
}
