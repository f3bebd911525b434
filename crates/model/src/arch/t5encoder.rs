//! The encoder of T5 (Raffel et al. 2020), by itself or as a half of it.

use super::llama::LLAMA;
use crate::spec::{
    Activation, ArchSpec, Direction, FeedForward, Output, PerFormat, PlainActivation, Positions,
    TensorNames,
};

pub(super) const T5_ENCODER: ArchSpec = ArchSpec {
    name: "t5encoder",
    hf_names: &["T5EncoderModel"],
    hf_tensors: &[SHARED, ENCODER_TENSORS],
    gguf_tensors: ENCODER_GGUF_TENSORS,
    n_ctx: Some(512),
    direction: PerFormat::same(Direction::Bidirectional),
    output: Output::HiddenStates,
    positions: Positions::Buckets { max_distance: 128 },
    // Version 1.1 has a gate.
    feed_forward: FeedForward::Gated(Activation::GeluTanh),
    ungated: Some(PlainActivation::Relu),
    // Initial weights made up for it.
    attn_scale: |_| 1.0,
    ..LLAMA
};

/// One embedding, of which folders may have copies.
pub(super) const SHARED: TensorNames = &[
    ("shared", "token_embd"),
    ("encoder.embed_tokens", "token_embd"),
    ("decoder.embed_tokens", "token_embd"),
];

const ENCODER_TENSORS: TensorNames = &[
    ("encoder.final_layer_norm", "output_norm"),
    ("encoder.block.{}.layer.0.layer_norm", "blk.{}.attn_norm"),
    ("encoder.block.{}.layer.0.SelfAttention.q", "blk.{}.attn_q"),
    ("encoder.block.{}.layer.0.SelfAttention.k", "blk.{}.attn_k"),
    ("encoder.block.{}.layer.0.SelfAttention.v", "blk.{}.attn_v"),
    ("encoder.block.{}.layer.0.SelfAttention.o", "blk.{}.attn_output"),
    ("encoder.block.{}.layer.0.SelfAttention.relative_attention_bias", "blk.{}.attn_rel_b"),
    ("encoder.block.{}.layer.1.layer_norm", "blk.{}.ffn_norm"),
    ("encoder.block.{}.layer.1.DenseReluDense.wi_0", "blk.{}.ffn_gate"),
    ("encoder.block.{}.layer.1.DenseReluDense.wi_1", "blk.{}.ffn_up"),
    ("encoder.block.{}.layer.1.DenseReluDense.wi", "blk.{}.ffn_up"),
    ("encoder.block.{}.layer.1.DenseReluDense.wo", "blk.{}.ffn_down"),
];

const ENCODER_GGUF_TENSORS: TensorNames = &[
    ("enc.output_norm", "output_norm"),
    ("enc.blk.{}.attn_norm", "blk.{}.attn_norm"),
    ("enc.blk.{}.attn_q", "blk.{}.attn_q"),
    ("enc.blk.{}.attn_k", "blk.{}.attn_k"),
    ("enc.blk.{}.attn_v", "blk.{}.attn_v"),
    ("enc.blk.{}.attn_o", "blk.{}.attn_output"),
    ("enc.blk.{}.attn_rel_b", "blk.{}.attn_rel_b"),
    ("enc.blk.{}.ffn_norm", "blk.{}.ffn_norm"),
    ("enc.blk.{}.ffn_gate", "blk.{}.ffn_gate"),
    ("enc.blk.{}.ffn_up", "blk.{}.ffn_up"),
    ("enc.blk.{}.ffn_down", "blk.{}.ffn_down"),
];
