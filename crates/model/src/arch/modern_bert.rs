//! ModernBERT (Warner et al. 2024): one layer in three sees everything, the others a window on both
//! sides; two RoPE bases, a gate, norms before the blocks but for the first.

use super::llama::LLAMA;
use crate::spec::LayerKind::{Full, Sliding};
use crate::spec::{
    Activation, ArchSpec, Direction, FeedForward, FullLayer, GateLayout, Layout, Norm, Output,
    PerFormat, QkvLayout, RopePairing,
};

pub(super) const MODERN_BERT: ArchSpec = ArchSpec {
    name: "modern-bert",
    hf_names: &["ModernBertModel", "ModernBertForMaskedLM"],
    hf_tensors: &[&[
        ("embeddings.tok_embeddings", "token_embd"),
        ("embeddings.norm", "token_embd_norm"),
        ("final_norm", "output_norm"),
        ("layers.{}.attn_norm", "blk.{}.attn_norm"),
        ("layers.{}.attn.Wqkv", "blk.{}.attn_qkv"),
        ("layers.{}.attn.Wo", "blk.{}.attn_output"),
        ("layers.{}.mlp_norm", "blk.{}.ffn_norm"),
        ("layers.{}.mlp.Wi", "blk.{}.ffn_up"),
        ("layers.{}.mlp.Wo", "blk.{}.ffn_down"),
    ]],
    hf_unused: &["head.", "decoder."],
    layout: PerFormat::same(Layout {
        qkv: QkvLayout::Joined,
        gate: GateLayout::First,
        ..Layout::SEPARATE
    }),
    norm: PerFormat::same(Norm::Layer),
    norm_eps: 1e-5,
    first_is_normed: true,
    direction: PerFormat::same(Direction::Bidirectional),
    output: Output::HiddenStates,
    rope: PerFormat::same(RopePairing::HalfSplit),
    layer_kinds: &[Full, Sliding, Sliding],
    full_layer: FullLayer::First,
    rope_base: 160_000.0,
    rope_base_sliding: Some(10_000.0),
    feed_forward: FeedForward::Gated(Activation::Gelu),
    ..LLAMA
};
