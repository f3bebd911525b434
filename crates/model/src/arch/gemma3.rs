//! Gemma 3, text (Gemma Team 2025): five sliding-window layers to one full, RMS norm before and
//! after every block and on q and k, scaled embeddings, two RoPE bases.

use super::gemma2::{SANDWICH_TENSORS, scale_of_27b};
use super::llama::{LLAMA, LLAMA_TENSORS};
use super::qwen3::QK_NORM_TENSORS;
use crate::spec::LayerKind::{Full, Sliding};
use crate::spec::{
    Activation, ArchSpec, EmbeddingScale, FeedForward, Norm, PerFormat, QkNorm, Residual,
    RopePairing,
};

pub(super) const GEMMA3: ArchSpec = ArchSpec {
    name: "gemma3",
    hf_names: &["Gemma3ForCausalLM"],
    hf_defaults: &[
        ("num_attention_heads", 8),
        ("num_key_value_heads", 4),
        ("head_dim", 256),
        ("query_pre_attn_scalar", 256),
        ("max_position_embeddings", 131_072),
    ],
    hf_tensors: &[QK_NORM_TENSORS, SANDWICH_TENSORS, LLAMA_TENSORS],
    norm: PerFormat { gguf: Norm::Rms, hf: Norm::RmsPlusOne },
    residual: Residual::SandwichNorm,
    qk_norm: QkNorm::PerHead,
    rope: PerFormat::same(RopePairing::HalfSplit),
    layer_kinds: &[Sliding, Sliding, Sliding, Sliding, Sliding, Full],
    rope_base: 1_000_000.0,
    rope_base_sliding: Some(10_000.0),
    scales_sliding: false,
    feed_forward: FeedForward::Gated(Activation::GeluTanh),
    embedding_scale: EmbeddingScale::SqrtModelDim,
    attn_scale: scale_of_27b::<62>,
    ..LLAMA
};
