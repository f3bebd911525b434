//! InternLM2 (Cai et al. 2024): Llama with q, k and v joined by kv head.

use super::llama::LLAMA;
use crate::spec::{ArchSpec, Bias, Biases, Layout, PerFormat, QkvLayout};

pub(super) const INTERNLM2: ArchSpec = ArchSpec {
    name: "internlm2",
    hf_names: &["InternLM2ForCausalLM"],
    hf_tensors: &[&[
        ("model.tok_embeddings", "token_embd"),
        ("model.norm", "output_norm"),
        ("output", "output"),
        ("model.layers.{}.attention_norm", "blk.{}.attn_norm"),
        ("model.layers.{}.attention.wqkv", "blk.{}.attn_qkv"),
        ("model.layers.{}.attention.wo", "blk.{}.attn_output"),
        ("model.layers.{}.ffn_norm", "blk.{}.ffn_norm"),
        ("model.layers.{}.feed_forward.w1", "blk.{}.ffn_gate"),
        ("model.layers.{}.feed_forward.w3", "blk.{}.ffn_up"),
        ("model.layers.{}.feed_forward.w2", "blk.{}.ffn_down"),
    ]],
    layout: PerFormat {
        gguf: Layout::SEPARATE,
        hf: Layout { qkv: QkvLayout::ByKvHead, ..Layout::SEPARATE },
    },
    biases: Biases { qkv: Bias::Optional, attn_output: Bias::Optional, ..Biases::NONE },
    ..LLAMA
};
