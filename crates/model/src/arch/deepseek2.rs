//! DeepSeek-V2 (arXiv 2405.04434): latent attention, and experts after the first layers. In GGUF V3
//! and Kimi K2 too, which are `deepseek3` in folders.

use super::dots1::SIGMOID_ROUTER_TENSORS;
use super::llama::{LLAMA, LLAMA_TENSORS};
use super::qwen2moe::EXPERT_TENSORS;
use crate::config::ModelConfig;
use crate::spec::{ArchSpec, AttentionKind, PerFormat, RopePairing, TensorNames};

/// What makes queries, keys and values.
pub(super) const LATENT_TENSORS: TensorNames = &[
    ("model.layers.{}.self_attn.q_a_proj", "blk.{}.attn_q_a"),
    ("model.layers.{}.self_attn.q_a_layernorm", "blk.{}.attn_q_a_norm"),
    ("model.layers.{}.self_attn.q_b_proj", "blk.{}.attn_q_b"),
    ("model.layers.{}.self_attn.kv_a_proj_with_mqa", "blk.{}.attn_kv_a_mqa"),
    ("model.layers.{}.self_attn.kv_a_layernorm", "blk.{}.attn_kv_a_norm"),
    ("model.layers.{}.self_attn.kv_b_proj", "blk.{}.attn_kv_b"),
];

pub(super) const DEEPSEEK2: ArchSpec = ArchSpec {
    name: "deepseek2",
    hf_names: &["DeepseekV2ForCausalLM"],
    hf_tensors: &[SIGMOID_ROUTER_TENSORS, EXPERT_TENSORS, LATENT_TENSORS, LLAMA_TENSORS],
    normalizes_experts: false,
    attention: AttentionKind::Latent,
    rope: PerFormat::same(RopePairing::Interleaved),
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
