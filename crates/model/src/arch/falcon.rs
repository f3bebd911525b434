//! Falcon (Almazrouei et al. 2023): attention and feed-forward beside each other, of one norm or of
//! one each. Falcon-RW has them one after the other, and ALiBi.

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
        ("transformer.h.{}.ln_mlp", "blk.{}.attn_norm"),
        ("transformer.h.{}.ln_attn", "blk.{}.attn_norm_2"),
        ("transformer.h.{}.post_attention_layernorm", "blk.{}.ffn_norm"),
        ("transformer.h.{}.self_attention.query_key_value", "blk.{}.attn_qkv"),
        ("transformer.h.{}.self_attention.dense", "blk.{}.attn_output"),
        ("transformer.h.{}.mlp.dense_h_to_4h", "blk.{}.ffn_up"),
        ("transformer.h.{}.mlp.dense_4h_to_h", "blk.{}.ffn_down"),
    ]],
    n_ctx: Some(2048),
    layout: PerFormat {
        gguf: Layout { qkv: QkvLayout::Joined, ..Layout::SEPARATE },
        hf: Layout { qkv: QkvLayout::ByKvHead, ..Layout::SEPARATE },
    },
    norm: PerFormat::same(Norm::Layer),
    residual: Residual::Parallel,
    biases: Biases { norm: Bias::Present, output: Bias::None, ..Biases::all(Bias::Optional) },
    may_have_alibi: true,
    rope: PerFormat::same(RopePairing::HalfSplit),
    feed_forward: FeedForward::Plain(PlainActivation::Gelu),
    ..LLAMA
};
