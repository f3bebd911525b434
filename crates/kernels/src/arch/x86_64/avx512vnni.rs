//! The table for AVX-512 with VNNI: Ice Lake and Zen 4 and later. That of AVX-512 but for int8.

use super::entries::entries;
use super::lanes::Lanes16;
use super::vnni::Vnni;
use super::{avx2, avx512, int_panel as product, rows};
use crate::table::{Avx512Vnni, Evidence, Kernels, Tile};
use crate::{DType, IntPanel, QuantizedTile};

/// The argument is the proof that these instructions exist here.
pub(crate) fn table(_: Avx512Vnni) -> &'static Kernels {
    &KERNELS
}

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
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn multiply(panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile]) {
    product::int_panel::<_, 1>(Vnni::<Lanes16>::new(), panel, x, out);
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn multiply_rows(dtype: DType, rows: &[u8], n_in: usize, x: &QuantizedTile, out: &mut [Tile]) {
    let bytes = Vnni::<Lanes16>::new();
    rows::int_rows(bytes, avx2::KERNELS.int_rows, (dtype, rows, n_in), x, out);
}
