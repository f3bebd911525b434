//! Gemma 3, text (Gemma Team 2025): five sliding-window layers to one full, RMS norm before and
//! after every block and on q and k, scaled embeddings, two RoPE bases.

use super::llama::LLAMA;
use crate::config::ModelConfig;
use crate::spec::LayerKind::{Full, Sliding};
use crate::spec::{
    Activation, ArchSpec, EmbeddingScale, FeedForward, Norm, PerFormat, QkNorm, Residual,
    RopePairing,
};

pub(super) const GEMMA3: ArchSpec = ArchSpec {
    name: "gemma3",
    hf_names: &["Gemma3ForCausalLM"],
    hf_tensors: &[
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers.{}.input_layernorm", "blk.{}.attn_norm"),
        ("model.layers.{}.self_attn.q_proj", "blk.{}.attn_q"),
        ("model.layers.{}.self_attn.k_proj", "blk.{}.attn_k"),
        ("model.layers.{}.self_attn.v_proj", "blk.{}.attn_v"),
        ("model.layers.{}.self_attn.o_proj", "blk.{}.attn_output"),
        ("model.layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm"),
        ("model.layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm"),
        ("model.layers.{}.post_attention_layernorm", "blk.{}.post_attention_norm"),
        ("model.layers.{}.pre_feedforward_layernorm", "blk.{}.ffn_norm"),
        ("model.layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm"),
        ("model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"),
        ("model.layers.{}.mlp.up_proj", "blk.{}.ffn_up"),
        ("model.layers.{}.mlp.down_proj", "blk.{}.ffn_down"),
    ],
    norm: PerFormat { gguf: Norm::Rms, hf: Norm::RmsPlusOne },
    residual: Residual::SandwichNorm,
    qk_norm: QkNorm::PerHead,
    rope: PerFormat::same(RopePairing::HalfSplit),
    layer_kinds: &[Sliding, Sliding, Sliding, Sliding, Sliding, Full],
    rope_base: 1_000_000.0,
    rope_base_sliding: Some(10_000.0),
    feed_forward: FeedForward::Gated(Activation::GeluTanh),
    embedding_scale: EmbeddingScale::SqrtModelDim,
    attn_scale: scale_by_model_size,
    ..LLAMA
};

/// GGUF has no key for `query_pre_attn_scalar`; only the 27B model, the one with 62 layers, sets
/// it to something other than `head_dim`: to `d_model / n_heads`.
fn scale_by_model_size(config: &ModelConfig) -> f32 {
    let width = match config.n_layers {
        62 => config.d_model / config.n_heads,
        _ => config.head_dim,
    };
    (width as f32).powf(-0.5)
}
