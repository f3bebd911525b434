//! Falcon 7B (Almazrouei et al. 2023): attention with one kv head and feed-forward read one norm.

use super::llama::LLAMA;
use crate::spec::{
    ArchSpec, Bias, Biases, FeedForward, Layout, Norm, PerFormat, PlainActivation, QkvLayout,
    Residual, RopePairing,
};

pub(super) const FALCON: ArchSpec = ArchSpec {
    name: "falcon",
    hf_names: &["FalconForCausalLM"],
    hf_tensors: &[&[
        ("transformer.word_embeddings", "token_embd"),
        ("transformer.ln_f", "output_norm"),
        ("lm_head", "output"),
        ("transformer.h.{}.input_layernorm", "blk.{}.attn_norm"),
        ("transformer.h.{}.self_attention.query_key_value", "blk.{}.attn_qkv"),
        ("transformer.h.{}.self_attention.dense", "blk.{}.attn_output"),
        ("transformer.h.{}.mlp.dense_h_to_4h", "blk.{}.ffn_up"),
        ("transformer.h.{}.mlp.dense_4h_to_h", "blk.{}.ffn_down"),
    ]],
    n_ctx: Some(2048),
    layout: PerFormat::same(Layout { qkv: QkvLayout::Joined, ..Layout::SEPARATE }),
    norm: PerFormat::same(Norm::Layer),
    residual: Residual::Parallel,
    biases: Biases { norm: Bias::Present, ..Biases::NONE },
    rope: PerFormat::same(RopePairing::HalfSplit),
    feed_forward: FeedForward::Plain(PlainActivation::Gelu),
    ..LLAMA
};
