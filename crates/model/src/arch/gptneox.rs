//! GPT-NeoX and Pythia (Black et al. 2022): attention and feed-forward beside each other, each with
//! its layer norm, a quarter of each head rotated.

use super::llama::LLAMA;
use crate::spec::{
    ArchSpec, Bias, Biases, FeedForward, Layout, Norm, PerFormat, PlainActivation, QkvLayout,
    Residual, RopePairing,
};

pub(super) const GPTNEOX: ArchSpec = ArchSpec {
    name: "gptneox",
    hf_names: &["GPTNeoXForCausalLM"],
    hf_tensors: &[&[
        ("gpt_neox.embed_in", "token_embd"),
        ("gpt_neox.final_layer_norm", "output_norm"),
        ("embed_out", "output"),
        ("gpt_neox.layers.{}.input_layernorm", "blk.{}.attn_norm"),
        ("gpt_neox.layers.{}.attention.query_key_value", "blk.{}.attn_qkv"),
        ("gpt_neox.layers.{}.attention.dense", "blk.{}.attn_output"),
        ("gpt_neox.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"),
        ("gpt_neox.layers.{}.mlp.dense_h_to_4h", "blk.{}.ffn_up"),
        ("gpt_neox.layers.{}.mlp.dense_4h_to_h", "blk.{}.ffn_down"),
    ]],
    layout: PerFormat {
        gguf: Layout { qkv: QkvLayout::Joined, ..Layout::SEPARATE },
        hf: Layout { qkv: QkvLayout::ByKvHead, ..Layout::SEPARATE },
    },
    norm: PerFormat::same(Norm::Layer),
    residual: Residual::ParallelTwoNorms,
    biases: Biases { output: Bias::None, ..Biases::all(Bias::Present) },
    rope: PerFormat::same(RopePairing::HalfSplit),
    feed_forward: FeedForward::Plain(PlainActivation::Gelu),
    ..LLAMA
};
