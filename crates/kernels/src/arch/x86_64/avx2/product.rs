//! Products in f32: see `../product.rs`.

use super::super::lanes::Lanes8;
use super::super::product;
use crate::table::Tile;
use crate::{CellBlock, F32Panel, IntValues};

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn f32_panel(panel: &F32Panel, x: &[f32], out: &mut [Tile]) {
    product::f32_panel(Lanes8::new(), panel, x, out);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn attention_scores(q: &[f32], keys: CellBlock<'_>, head_dim: usize, out: &mut [f32]) {
    product::attention_scores(Lanes8::new(), q, keys, head_dim, out);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn attention_accumulate(
    weights: &[f32],
    rescale: &[f32],
    values: CellBlock<'_>,
    head_dim: usize,
    acc: &mut [f32],
) {
    product::attention_accumulate(Lanes8::new(), weights, rescale, values, head_dim, acc);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn attention_accumulate_int(
    weights: &[f32],
    rescale: &[f32],
    values: IntValues<'_>,
    head_dim: usize,
    acc: &mut [f32],
) {
    product::attention_accumulate_int(Lanes8::new(), weights, rescale, values, head_dim, acc);
}
