//! Nomic Embed (Nussbaum et al. 2024): BERT with rotated heads, a gate, and biases in norms only.

use super::bert::{BERT, NORMS_OF_SUMS};
use super::llama::LLAMA;
use crate::spec::{ArchSpec, Bias, Biases, Layout, PerFormat, Positions, QkvLayout, RopePairing};

pub(super) const NOMIC_BERT: ArchSpec = ArchSpec {
    name: "nomic-bert",
    hf_names: &["NomicBertModel"],
    hf_tensors: &[&[
        ("embeddings.word_embeddings", "token_embd"),
        ("embeddings.token_type_embeddings", "token_types"),
        ("emb_ln", "token_embd_norm"),
        ("encoder.layers.{}.attn.Wqkv", "blk.{}.attn_qkv"),
        ("encoder.layers.{}.attn.out_proj", "blk.{}.attn_output"),
        ("encoder.layers.{}.norm1", "blk.{}.post_attention_norm"),
        ("encoder.layers.{}.mlp.fc12", "blk.{}.ffn_gate"),
        ("encoder.layers.{}.mlp.fc11", "blk.{}.ffn_up"),
        ("encoder.layers.{}.mlp.fc2", "blk.{}.ffn_down"),
        ("encoder.layers.{}.norm2", "blk.{}.post_ffw_norm"),
    ]],
    gguf_tensors: NORMS_OF_SUMS,
    layout: PerFormat::same(Layout { qkv: QkvLayout::Joined, ..Layout::SEPARATE }),
    biases: Biases { norm: Bias::Present, ..Biases::NONE },
    positions: Positions::Rope,
    rope: PerFormat::same(RopePairing::HalfSplit),
    feed_forward: LLAMA.feed_forward,
    ..BERT
};
