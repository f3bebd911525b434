//! MiniCPM3 (OpenBMB 2024): latent attention (DeepSeek-V2, arXiv 2405.04434) in a dense model with
//! MiniCPM's scales. GGUF files say nothing of these: they are those of the 4B model.

use super::llama::{LLAMA, LLAMA_TENSORS};
use crate::config::ModelConfig;
use crate::spec::{ArchSpec, AttentionKind, PerFormat, RopePairing, SizeScales, TensorNames};

pub(super) const LATENT_TENSORS: TensorNames = &[
    ("model.layers.{}.self_attn.q_a_proj", "blk.{}.attn_q_a"),
    ("model.layers.{}.self_attn.q_a_layernorm", "blk.{}.attn_q_a_norm"),
    ("model.layers.{}.self_attn.q_b_proj", "blk.{}.attn_q_b"),
    ("model.layers.{}.self_attn.kv_a_proj_with_mqa", "blk.{}.attn_kv_a_mqa"),
    ("model.layers.{}.self_attn.kv_a_layernorm", "blk.{}.attn_kv_a_norm"),
    ("model.layers.{}.self_attn.kv_b_proj", "blk.{}.attn_kv_b"),
];

pub(super) const MINICPM3: ArchSpec = ArchSpec {
    name: "minicpm3",
    hf_names: &["MiniCPM3ForCausalLM"],
    hf_tensors: &[LLAMA_TENSORS, LATENT_TENSORS],
    norm_eps: 1e-5,
    attention: AttentionKind::Latent,
    rope: PerFormat::same(RopePairing::HalfSplit),
    size_scales: Some(SizeScales { embedding: 12.0, depth: 1.4, d_model_base: 256.0 }),
    attn_scale: latent_scale,
    ..LLAMA
};

/// Of keys as they are without absorption, and twice what YaRN multiplies by.
pub(super) fn latent_scale(config: &ModelConfig) -> f32 {
    let d_plain = config.latent.map_or(0, |latent| latent.d_plain);
    let rope = &config.rope_full;
    let scale = ((d_plain + rope.rope_dim) as f64).powf(-0.5);
    (scale * rope.scaled.magnitude_of_all.powi(2)) as f32
}
