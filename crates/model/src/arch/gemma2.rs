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
    attn_scale: scale_by_model_size,
    ..GEMMA
};

/// GGUF has no key for `query_pre_attn_scalar`; only the 27B model, the one with 46 layers, sets
/// it to something other than `head_dim`: to `d_model / n_heads`.
fn scale_by_model_size(config: &ModelConfig) -> f32 {
    let width = match config.n_layers {
        46 => config.d_model / config.n_heads,
        _ => config.head_dim,
    };
    (width as f32).powf(-0.5)
}
