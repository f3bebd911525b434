//! Llama (Touvron et al. 2023) and what shares its shape: SmolLM2, Mistral without a window.

use crate::spec::{
    Activation, ArchSpec, AttentionKind, Biases, Direction, EmbeddingScale, FeedForward, LayerKind,
    Layout, LogitScale, Norm, Output, PerFormat, Positions, QkNorm, Residual, RopeLayers,
    RopePairing, RouterScores, TensorNames,
};

/// What most folders call their tensors.
pub(super) const LLAMA_TENSORS: TensorNames = &[
    ("model.embed_tokens", "token_embd"),
    ("model.norm", "output_norm"),
    ("lm_head", "output"),
    ("model.layers.{}.input_layernorm", "blk.{}.attn_norm"),
    ("model.layers.{}.self_attn.q_proj", "blk.{}.attn_q"),
    ("model.layers.{}.self_attn.k_proj", "blk.{}.attn_k"),
    ("model.layers.{}.self_attn.v_proj", "blk.{}.attn_v"),
    ("model.layers.{}.self_attn.o_proj", "blk.{}.attn_output"),
    ("model.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"),
    ("model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"),
    ("model.layers.{}.mlp.up_proj", "blk.{}.ffn_up"),
    ("model.layers.{}.mlp.down_proj", "blk.{}.ffn_down"),
];

pub(super) const LLAMA: ArchSpec = ArchSpec {
    name: "llama",
    hf_names: &["LlamaForCausalLM"],
    hf_tensors: &[LLAMA_TENSORS],
    gguf_tensors: &[],
    encoder: None,
    n_ctx: None,
    layout: PerFormat::same(Layout::SEPARATE),
    norm: PerFormat::same(Norm::Rms),
    norm_eps: 1e-6,
    residual: Residual::PreNorm,
    attention: AttentionKind::Heads,
    qk_norm: QkNorm::None,
    norms_rotated: false,
    biases: Biases::NONE,
    positions: Positions::Rope,
    may_have_alibi: false,
    direction: Direction::Causal,
    output: Output::Logits,
    // GGUF converters permute the rows of q and k into Meta's original order.
    rope: PerFormat { gguf: RopePairing::Interleaved, hf: RopePairing::HalfSplit },
    rope_layers: RopeLayers::All,
    query_growth: None,
    layer_kinds: &[LayerKind::Full],
    rope_base: 10_000.0,
    rope_base_sliding: None,
    scales_sliding: true,
    feed_forward: FeedForward::Gated(Activation::Silu),
    ungated: None,
    normalizes_experts: true,
    router_scores: RouterScores::Softmax,
    gates_shared_expert: false,
    embedding_scale: EmbeddingScale::One,
    size_scales: None,
    logit_scale: LogitScale::Multiplies,
    scales_tied_logits: false,
    attn_scale: |config| (config.head_dim as f32).powf(-0.5),
};
