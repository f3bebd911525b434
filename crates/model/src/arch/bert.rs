//! BERT (Devlin et al. 2019): an encoder with learned positions, norms after the sums, and a vector
//! for each of two texts, of which the first is all there is here.

use super::llama::LLAMA;
use crate::spec::{
    ArchSpec, Bias, Biases, Direction, FeedForward, Norm, Output, PerFormat, PlainActivation,
    Positions, Residual, TensorNames,
};

pub(super) const BERT: ArchSpec = ArchSpec {
    name: "bert",
    hf_names: &["BertModel", "BertForMaskedLM", "BertForPreTraining"],
    hf_tensors: &[BERT_TENSORS],
    hf_prefix: "bert.",
    hf_unused: &["cls.", "pooler.", "bert.pooler."],
    gguf_tensors: NORMS_OF_SUMS,
    norm: PerFormat::same(Norm::Layer),
    norm_eps: 1e-12,
    residual: Residual::NormOfSum,
    biases: Biases { output: Bias::None, ..Biases::all(Bias::Present) },
    positions: Positions::Learned { first_row: 0 },
    direction: PerFormat::same(Direction::Bidirectional),
    output: Output::HiddenStates,
    feed_forward: FeedForward::Plain(PlainActivation::Gelu),
    ..LLAMA
};

pub(super) const BERT_TENSORS: TensorNames = &[
    ("embeddings.word_embeddings", "token_embd"),
    ("embeddings.position_embeddings", "position_embd"),
    ("embeddings.token_type_embeddings", "token_types"),
    ("embeddings.LayerNorm", "token_embd_norm"),
    ("encoder.layer.{}.attention.self.query", "blk.{}.attn_q"),
    ("encoder.layer.{}.attention.self.key", "blk.{}.attn_k"),
    ("encoder.layer.{}.attention.self.value", "blk.{}.attn_v"),
    ("encoder.layer.{}.attention.output.dense", "blk.{}.attn_output"),
    ("encoder.layer.{}.attention.output.LayerNorm", "blk.{}.post_attention_norm"),
    ("encoder.layer.{}.intermediate.dense", "blk.{}.ffn_up"),
    ("encoder.layer.{}.output.dense", "blk.{}.ffn_down"),
    ("encoder.layer.{}.output.LayerNorm", "blk.{}.post_ffw_norm"),
];

/// GGUF's names of norms after the sums.
pub(super) const NORMS_OF_SUMS: TensorNames = &[
    ("blk.{}.attn_output_norm", "blk.{}.post_attention_norm"),
    ("blk.{}.layer_output_norm", "blk.{}.post_ffw_norm"),
];
