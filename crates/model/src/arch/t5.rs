//! T5 (Raffel et al. 2020), versions 1.0 and 1.1, and Flan-T5 (Chung et al. 2022).

use super::t5encoder::{SHARED, T5_ENCODER};
use crate::spec::{ArchSpec, Direction, Output, PerFormat, TensorNames};

pub(super) const T5: ArchSpec = ArchSpec {
    name: "t5",
    hf_names: &["T5ForConditionalGeneration"],
    hf_tensors: &[SHARED, DECODER_TENSORS],
    gguf_tensors: DECODER_GGUF_TENSORS,
    encoder: Some(&ENCODER),
    direction: PerFormat::same(Direction::Causal),
    output: Output::Logits,
    // Of version 1.0.
    scales_tied_logits: true,
    ..T5_ENCODER
};

/// Its numbers are those of the whole model.
const ENCODER: ArchSpec = ArchSpec { name: "t5", ..T5_ENCODER };

const DECODER_TENSORS: TensorNames = &[
    ("lm_head", "output"),
    ("decoder.final_layer_norm", "output_norm"),
    ("decoder.block.{}.layer.0.layer_norm", "blk.{}.attn_norm"),
    ("decoder.block.{}.layer.0.SelfAttention.q", "blk.{}.attn_q"),
    ("decoder.block.{}.layer.0.SelfAttention.k", "blk.{}.attn_k"),
    ("decoder.block.{}.layer.0.SelfAttention.v", "blk.{}.attn_v"),
    ("decoder.block.{}.layer.0.SelfAttention.o", "blk.{}.attn_output"),
    ("decoder.block.{}.layer.0.SelfAttention.relative_attention_bias", "blk.{}.attn_rel_b"),
    ("decoder.block.{}.layer.1.layer_norm", "blk.{}.cross_attn_norm"),
    ("decoder.block.{}.layer.1.EncDecAttention.q", "blk.{}.cross_attn_q"),
    ("decoder.block.{}.layer.1.EncDecAttention.k", "blk.{}.cross_attn_k"),
    ("decoder.block.{}.layer.1.EncDecAttention.v", "blk.{}.cross_attn_v"),
    ("decoder.block.{}.layer.1.EncDecAttention.o", "blk.{}.cross_attn_output"),
    ("decoder.block.{}.layer.2.layer_norm", "blk.{}.ffn_norm"),
    ("decoder.block.{}.layer.2.DenseReluDense.wi_0", "blk.{}.ffn_gate"),
    ("decoder.block.{}.layer.2.DenseReluDense.wi_1", "blk.{}.ffn_up"),
    ("decoder.block.{}.layer.2.DenseReluDense.wi", "blk.{}.ffn_up"),
    ("decoder.block.{}.layer.2.DenseReluDense.wo", "blk.{}.ffn_down"),
];

const DECODER_GGUF_TENSORS: TensorNames = &[
    ("dec.output_norm", "output_norm"),
    ("dec.blk.{}.attn_norm", "blk.{}.attn_norm"),
    ("dec.blk.{}.attn_q", "blk.{}.attn_q"),
    ("dec.blk.{}.attn_k", "blk.{}.attn_k"),
    ("dec.blk.{}.attn_v", "blk.{}.attn_v"),
    ("dec.blk.{}.attn_o", "blk.{}.attn_output"),
    ("dec.blk.{}.attn_rel_b", "blk.{}.attn_rel_b"),
    ("dec.blk.{}.cross_attn_norm", "blk.{}.cross_attn_norm"),
    ("dec.blk.{}.cross_attn_q", "blk.{}.cross_attn_q"),
    ("dec.blk.{}.cross_attn_k", "blk.{}.cross_attn_k"),
    ("dec.blk.{}.cross_attn_v", "blk.{}.cross_attn_v"),
    ("dec.blk.{}.cross_attn_o", "blk.{}.cross_attn_output"),
    ("dec.blk.{}.ffn_norm", "blk.{}.ffn_norm"),
    ("dec.blk.{}.ffn_gate", "blk.{}.ffn_gate"),
    ("dec.blk.{}.ffn_up", "blk.{}.ffn_up"),
    ("dec.blk.{}.ffn_down", "blk.{}.ffn_down"),
];
