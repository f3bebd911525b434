//! Jina Embeddings 2 (Guenther et al. 2023): BERT whose scores fall with the distance, on both
//! sides, and with a gate.

use super::bert::{BERT, BERT_TENSORS};
use crate::spec::{
    Activation, ArchSpec, Bias, Biases, FeedForward, GateLayout, Layout, PerFormat, Positions,
    TensorNames,
};

pub(super) const JINA_BERT_V2: ArchSpec = ArchSpec {
    name: "jina-bert-v2",
    hf_names: &["JinaBertModel", "JinaBertForMaskedLM"],
    hf_tensors: &[GATED_TENSORS, BERT_TENSORS],
    layout: PerFormat {
        gguf: Layout::SEPARATE,
        hf: Layout { gate: GateLayout::First, ..Layout::SEPARATE },
    },
    // Of the feed-forward, its last matrix has one.
    biases: Biases { feed_forward: Bias::Optional, ..BERT.biases },
    positions: Positions::Alibi,
    feed_forward: FeedForward::Gated(Activation::Gelu),
    ..BERT
};

const GATED_TENSORS: TensorNames = &[
    ("encoder.layer.{}.mlp.gated_layers", "blk.{}.ffn_up"),
    ("encoder.layer.{}.mlp.wo", "blk.{}.ffn_down"),
    ("encoder.layer.{}.mlp.layernorm", "blk.{}.post_ffw_norm"),
];
