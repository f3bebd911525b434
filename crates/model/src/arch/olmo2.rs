//! OLMo 2 (OLMo Team 2024): norms after the blocks instead of before them, and over all heads of q
//! and k together. OLMo 3 has its name in GGUF, and windows.

use super::llama::{LLAMA, LLAMA_TENSORS};
use super::qwen3::QK_NORM_TENSORS;
use crate::spec::{ArchSpec, PerFormat, QkNorm, Residual, RopePairing, TensorNames};

pub(super) const POST_NORM_TENSORS: TensorNames = &[
    ("model.layers.{}.post_attention_layernorm", "blk.{}.post_attention_norm"),
    ("model.layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm"),
];

pub(super) const OLMO2: ArchSpec = ArchSpec {
    name: "olmo2",
    hf_names: &["Olmo2ForCausalLM"],
    hf_tensors: &[POST_NORM_TENSORS, QK_NORM_TENSORS, LLAMA_TENSORS],
    residual: Residual::PostNorm,
    qk_norm: QkNorm::Whole,
    rope: PerFormat::same(RopePairing::HalfSplit),
    scales_sliding: false,
    ..LLAMA
};
