//! BLOOM (BigScience 2022): ALiBi, and a norm of the embedding.

use super::llama::LLAMA;
use crate::spec::{
    ArchSpec, Bias, Biases, FeedForward, Layout, Norm, PerFormat, PlainActivation, Positions,
    QkvLayout,
};

pub(super) const BLOOM: ArchSpec = ArchSpec {
    name: "bloom",
    hf_names: &["BloomForCausalLM"],
    hf_tensors: &[&[
        ("transformer.word_embeddings", "token_embd"),
        ("transformer.word_embeddings_layernorm", "token_embd_norm"),
        ("transformer.ln_f", "output_norm"),
        ("lm_head", "output"),
        ("transformer.h.{}.input_layernorm", "blk.{}.attn_norm"),
        ("transformer.h.{}.self_attention.query_key_value", "blk.{}.attn_qkv"),
        ("transformer.h.{}.self_attention.dense", "blk.{}.attn_output"),
        ("transformer.h.{}.post_attention_layernorm", "blk.{}.ffn_norm"),
        ("transformer.h.{}.mlp.dense_h_to_4h", "blk.{}.ffn_up"),
        ("transformer.h.{}.mlp.dense_4h_to_h", "blk.{}.ffn_down"),
    ]],
    hf_prefix: "transformer.",
    n_ctx: Some(2048),
    layout: PerFormat {
        gguf: Layout { qkv: QkvLayout::Joined, ..Layout::SEPARATE },
        hf: Layout { qkv: QkvLayout::ByKvHead, ..Layout::SEPARATE },
    },
    norm: PerFormat::same(Norm::Layer),
    biases: Biases { output: Bias::None, ..Biases::all(Bias::Present) },
    positions: Positions::Alibi,
    feed_forward: FeedForward::Plain(PlainActivation::GeluTanh),
    ..LLAMA
};
