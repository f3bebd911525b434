//! The table for AVX2, FMA and F16C: laptops and servers since 2013.
//!
//! Written by hand: weight rows, matrix products, int8 activations and f16. The other kernels are
//! the scalar definitions, compiled again with these instructions allowed; LLVM vectorises them
//! without changing a bit.

mod int_panel;
mod product;
mod quantize;
mod rows;

use super::entries::entries;
use super::half;
use super::lanes::Lanes8;
use super::prefetch::prefetch_slice;
use crate::scalar::{activation, attention, hadamard, norm, rope};
use crate::table::{Avx2, Evidence, Kernels, Tile};
use crate::{CellBlock, DType, F32Panel, IntPanel, IntValues, Moments, QuantizedTile};

/// The argument is the proof that these instructions exist here.
pub(crate) fn table(_: Avx2) -> &'static Kernels {
    &KERNELS
}

entries! {
    "avx2,fma,f16c"
    fn unpack_int(dtype: DType, rows: &[u8], n_in: usize, panel: &mut IntPanel)
        = rows::unpack_int;
    fn unpack_f32(dtype: DType, rows: &[u8], n_in: usize, panel: &mut F32Panel)
        = rows::unpack_f32;
    fn quantize(x: &[f32], n_in: usize, out: &mut QuantizedTile) = quantize::quantize;
    fn int_panel(panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile])
        = int_panel::int_panel;
    fn int_rows(dtype: DType, rows: &[u8], n_in: usize, x: &QuantizedTile, out: &mut [Tile])
        = rows::int_rows;
    fn f32_panel(panel: &F32Panel, x: &[f32], out: &mut [Tile]) = product::f32_panel;
    fn f32_rows(dtype: DType, rows: &[u8], n_in: usize, x: &[f32], out: &mut [Tile])
        = rows::f32_rows;
    fn attention_scores(q: &[f32], keys: CellBlock<'_>, head_dim: usize, out: &mut [f32])
        = product::attention_scores;
    fn add_dots(q: &[f32], mean: &[f32], scores: &mut [f32]) = attention::add_dots;
    fn online_softmax(scores: &mut [f32], max: f32) -> (f32, f32, f32) = attention::online_softmax;
    fn online_softmax_moments(scores: &mut [f32], max: f32) -> (f32, f32, Moments)
        = attention::online_softmax_moments;
    fn attention_accumulate(
        weights: &[f32], rescale: &[f32], values: CellBlock<'_>, head_dim: usize, acc: &mut [f32]
    ) = product::attention_accumulate;
    fn attention_accumulate_int(
        weights: &[f32], rescale: &[f32], values: IntValues<'_>, head_dim: usize, acc: &mut [f32]
    ) = product::attention_accumulate_int;
    fn hadamard(x: &mut [f32]) = hadamard::hadamard;
    fn rms_norm(x: &[f32], gain: &[f32], eps: f32, out: &mut [f32]) = norm::rms_norm;
    fn layer_norm(x: &[f32], gain: &[f32], eps: f32, out: &mut [f32]) = norm::layer_norm;
    fn silu_mul(gate: &mut [f32], up: &[f32]) = activation::silu_mul;
    fn clamped_silu_mul(gate: &mut [f32], up: &[f32]) = activation::clamped_silu_mul;
    fn gelu_tanh_mul(gate: &mut [f32], up: &[f32]) = activation::gelu_tanh_mul;
    fn gelu_tanh(x: &mut [f32]) = activation::gelu_tanh;
    fn gelu(x: &mut [f32]) = activation::gelu;
    fn relu(x: &mut [f32]) = activation::relu;
    fn relu_squared(x: &mut [f32]) = activation::relu_squared;
    fn softcap(x: &mut [f32], cap: f32) = activation::softcap;
    fn add(acc: &mut [f32], x: &[f32]) = norm::add;
    fn rope_interleaved(head: &mut [f32], cos: &[f32], sin: &[f32]) = rope::rope_interleaved;
    fn rope_half_split(head: &mut [f32], cos: &[f32], sin: &[f32]) = rope::rope_half_split;
    fn f16_to_f32(src: &[u16], dst: &mut [f32]) = widen;
    fn f32_to_f16(src: &[f32], dst: &mut [u16]) = half::f32_to_f16;
}

pub(super) static KERNELS: Kernels = Kernels {
    name: "avx2",
    evidence: Evidence::Hardware,
    unpack_int,
    unpack_f32,
    quantize,
    int_panel,
    int_rows,
    f32_panel,
    f32_rows,
    attention_scores,
    add_dots,
    online_softmax,
    online_softmax_moments,
    attention_accumulate,
    attention_accumulate_int,
    hadamard,
    rms_norm,
    layer_norm,
    silu_mul,
    clamped_silu_mul,
    gelu_tanh_mul,
    gelu_tanh,
    gelu,
    relu,
    relu_squared,
    softcap,
    add,
    rope_interleaved,
    rope_half_split,
    prefetch: prefetch_slice,
    f16_to_f32,
    f32_to_f16,
};

#[target_feature(enable = "avx2,fma,f16c")]
fn widen(src: &[u16], dst: &mut [f32]) {
    half::f16_to_f32(Lanes8::new(), src, dst);
}
