//! The definition of every kernel, in plain Rust.
//!
//! Each order of sums is fixed here, with `f32::mul_add` wherever a product is added, so that
//! tables for wider machines can give the same bits. What vectorises by itself is written once,
//! here, as an `#[inline(always)]` function that a table compiles again for its instruction set.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod exp;
pub(crate) mod hadamard;
pub(crate) mod half;
pub(crate) mod lanes;
pub(crate) mod matmul;
pub(crate) mod norm;
pub(crate) mod quantize;
pub(crate) mod rope;
pub(crate) mod unpack;

use crate::table::{Evidence, Kernels};

pub(crate) static KERNELS: Kernels = Kernels {
    name: "scalar",
    evidence: Evidence::Hardware,
    unpack_int: unpack::unpack_int,
    unpack_f32: unpack::unpack_f32,
    quantize: quantize::quantize,
    int_panel: matmul::int_panel,
    int_rows: matmul::int_rows,
    f32_panel: matmul::f32_panel,
    f32_rows: matmul::f32_rows,
    attention_scores: attention::attention_scores,
    add_dots: attention::add_dots,
    online_softmax: attention::online_softmax,
    online_softmax_moments: attention::online_softmax_moments,
    attention_accumulate: attention::attention_accumulate,
    attention_accumulate_int: attention::attention_accumulate_int,
    hadamard: hadamard::hadamard,
    rms_norm: norm::rms_norm,
    layer_norm: norm::layer_norm,
    silu_mul: activation::silu_mul,
    clamped_silu_mul: activation::clamped_silu_mul,
    gelu_tanh_mul: activation::gelu_tanh_mul,
    gelu_tanh: activation::gelu_tanh,
    gelu: activation::gelu,
    relu: activation::relu,
    relu_squared: activation::relu_squared,
    softcap: activation::softcap,
    add: norm::add,
    rope_interleaved: rope::rope_interleaved,
    rope_half_split: rope::rope_half_split,
    // No portable instruction.
    prefetch: |_| (),
    f16_to_f32: half::f16_to_f32,
    f32_to_f16: half::f32_to_f16,
};
