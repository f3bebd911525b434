//! The table for AVX-512 (F, BW, DQ, VL): servers since 2017. Matrix products, int8 activations and
//! attention are written for it, the rest is that of AVX2.

mod quantize;
mod softmax;

use std::arch::x86_64::*;

use super::entries::entries;
use super::int_panel::{Bytes, SIGNED, Tokens, int16_depth, weights};
use super::lanes::Lanes16;
use super::{avx2, half, int_panel as int_product, product, rows};
use crate::scalar::{activation, attention, norm};
use crate::table::{Avx512, Evidence, Kernels, Tile};
use crate::{CellBlock, DType, F32Panel, IntPanel, IntValues, Moments, QuantizedTile, Step};

/// The argument is the proof that these instructions exist here.
pub(crate) fn table(_: Avx512) -> &'static Kernels {
    &KERNELS
}

pub(super) static KERNELS: Kernels = Kernels {
    name: "avx512",
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
    f16_to_f32,
    ..avx2::KERNELS
};

entries! {
    "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl"
    fn unpack_int(dtype: DType, rows: &[u8], n_in: usize, panel: &mut IntPanel) = to_ints;
    fn unpack_f32(dtype: DType, rows: &[u8], n_in: usize, panel: &mut F32Panel) = to_floats;
    fn quantize(x: &[f32], n_in: usize, out: &mut QuantizedTile) = quantize::quantize;
    fn int_panel(panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile]) = multiply_ints;
    fn int_rows(dtype: DType, rows: &[u8], n_in: usize, x: &QuantizedTile, out: &mut [Tile])
        = multiply_int_rows;
    fn f32_panel(panel: &F32Panel, x: &[f32], out: &mut [Tile]) = multiply_floats;
    fn f32_rows(dtype: DType, rows: &[u8], n_in: usize, x: &[f32], out: &mut [Tile])
        = multiply_f32_rows;
    fn attention_scores(q: &[f32], keys: CellBlock<'_>, head_dim: usize, out: &mut [f32]) = scores;
    fn add_dots(q: &[f32], mean: &[f32], scores: &mut [f32]) = attention::add_dots;
    fn online_softmax(scores: &mut [f32], max: f32) -> (f32, f32, f32) = softmax::online_softmax;
    fn online_softmax_moments(scores: &mut [f32], max: f32) -> (f32, f32, Moments)
        = softmax::online_softmax_moments;
    fn attention_accumulate(
        weights: &[f32], rescale: &[f32], values: CellBlock<'_>, head_dim: usize, acc: &mut [f32]
    ) = accumulate;
    fn attention_accumulate_int(
        weights: &[f32], rescale: &[f32], values: IntValues<'_>, head_dim: usize, acc: &mut [f32]
    ) = accumulate_int;
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
    fn f16_to_f32(src: &[u16], dst: &mut [f32]) = widen;
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn to_ints(dtype: DType, rows: &[u8], n_in: usize, panel: &mut IntPanel) {
    rows::unpack_int(Lanes16::new(), dtype, rows, n_in, panel);
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn to_floats(dtype: DType, rows: &[u8], n_in: usize, panel: &mut F32Panel) {
    rows::unpack_f32(Lanes16::new(), dtype, rows, n_in, panel);
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn multiply_int_rows(dtype: DType, rows: &[u8], n_in: usize, x: &QuantizedTile, out: &mut [Tile]) {
    let bytes = rows::WordSums(Lanes16::new());
    rows::int_rows(bytes, avx2::KERNELS.int_rows, (dtype, rows, n_in), x, out);
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn multiply_f32_rows(dtype: DType, rows: &[u8], n_in: usize, x: &[f32], out: &mut [Tile]) {
    rows::f32_rows(Lanes16::new(), avx2::KERNELS.f32_rows, (dtype, rows, n_in), x, out);
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn multiply_ints(panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile]) {
    int_product::int_panel::<_, 1>(WordSums::new(), panel, x, out);
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn multiply_floats(panel: &F32Panel, x: &[f32], out: &mut [Tile]) {
    product::f32_panel(Lanes16::new(), panel, x, out);
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn scores(q: &[f32], keys: CellBlock<'_>, head_dim: usize, out: &mut [f32]) {
    product::attention_scores(Lanes16::new(), q, keys, head_dim, out);
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn accumulate(w: &[f32], rescale: &[f32], values: CellBlock<'_>, head_dim: usize, acc: &mut [f32]) {
    product::attention_accumulate(Lanes16::new(), w, rescale, values, head_dim, acc);
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn accumulate_int(
    w: &[f32],
    rescale: &[f32],
    values: IntValues<'_>,
    head_dim: usize,
    acc: &mut [f32],
) {
    product::attention_accumulate_int(Lanes16::new(), w, rescale, values, head_dim, acc);
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn widen(src: &[u16], dst: &mut [f32]) {
    half::f16_to_f32(Lanes16::new(), src, dst);
}

/// Sums by `vpmaddubsw` in int16 lanes, as many as fit before one `vpmaddwd` widens them, see
/// `avx2/int_panel.rs`.
#[derive(Clone, Copy)]
struct WordSums(Lanes16);

impl WordSums {
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
    fn new() -> Self {
        Self(Lanes16::new())
    }
}

impl Bytes for WordSums {
    type Lanes = Lanes16;
    const NEEDS_RANGE: bool = true;

    #[inline(always)]
    fn lanes(self) -> Lanes16 {
        self.0
    }

    #[inline(always)]
    unsafe fn sum_group<
        const Q_MAX: i32,
        const STEPS: usize,
        const N: usize,
        const T: usize,
        const H: usize,
    >(
        self,
        steps: *const Step,
        x: Tokens<N, T>,
    ) -> [[[__m512i; H]; T]; N] {
        // SAFETY: `self` is the proof of the instructions, the contract that of the memory.
        unsafe {
            let zero = _mm512_setzero_si512();
            let ones = _mm512_set1_epi16(1);
            let mut sums = [[[zero; H]; T]; N];
            let mut words = sums;
            for step in 0..STEPS {
                let w = weights::<_, H>(self.0, steps.add(step));
                let is_last = (step + 1).is_multiple_of(int16_depth(Q_MAX).min(STEPS));
                for i in 0..N {
                    for t in 0..T {
                        let x = x.columns(self.0, i, t, step);
                        for h in 0..H {
                            let products = if Q_MAX == SIGNED {
                                // The sign moves to the activation; |-128| is 128 unsigned.
                                let is_negative = _mm512_movepi8_mask(w[h]);
                                let x = _mm512_mask_sub_epi8(x, is_negative, zero, x);
                                _mm512_maddubs_epi16(_mm512_abs_epi8(w[h]), x)
                            } else {
                                _mm512_maddubs_epi16(w[h], x)
                            };
                            words[i][t][h] = _mm512_add_epi16(words[i][t][h], products);
                            if is_last {
                                let wide = _mm512_madd_epi16(words[i][t][h], ones);
                                sums[i][t][h] = _mm512_add_epi32(sums[i][t][h], wide);
                                words[i][t][h] = zero;
                            }
                        }
                    }
                }
            }
            sums
        }
    }
}
