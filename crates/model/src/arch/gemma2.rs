//! Gemma 2 (Gemma Team 2024): Gemma with a norm before and after every block, every other layer
//! with a window, capped scores and logits.

use super::gemma::GEMMA;
use super::llama::LLAMA_TENSORS;
use crate::config::ModelConfig;
use crate::spec::LayerKind::{Full, Sliding};
use crate::spec::{ArchSpec, Residual, TensorNames};

/// Norms before and after both blocks.
pub(super) const SANDWICH_TENSORS: TensorNames = &[
    ("model.layers.{}.post_attention_layernorm", "blk.{}.post_attention_norm"),
    ("model.layers.{}.pre_feedforward_layernorm", "blk.{}.ffn_norm"),
    ("model.layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm"),
];

pub(super) const GEMMA2: ArchSpec = ArchSpec {
    name: "gemma2",
    hf_names: &["Gemma2ForCausalLM"],
    hf_tensors: &[SANDWICH_TENSORS, LLAMA_TENSORS],
    residual: Residual::SandwichNorm,
    layer_kinds: &[Sliding, Full],
    attn_scale: scale_of_27b::<46>,
    ..GEMMA
};

/// GGUF has no key for `query_pre_attn_scalar`, nor has llama.cpp another way to tell: only the
/// model of 27B, known by its layers, sets it to something other than `head_dim`, to
/// `d_model / n_heads`.
pub(super) fn scale_of_27b<const N_LAYERS: usize>(config: &ModelConfig) -> f32 {
    let is_27b = config.n_layers == N_LAYERS;
    let width = if is_27b { config.d_model / config.n_heads } else { config.head_dim };
    (width as f32).powf(-0.5)
}
