//! Phi 1.5 and 2 (Li et al. 2023): attention and feed-forward read one norm, biases everywhere.

use super::llama::{LLAMA, LLAMA_TENSORS};
use crate::spec::{
    ArchSpec, Bias, Biases, FeedForward, Layout, Norm, PerFormat, PlainActivation, QkvLayout,
    Residual, RopePairing,
};

pub(super) const PHI2: ArchSpec = ArchSpec {
    name: "phi2",
    hf_names: &["PhiForCausalLM"],
    hf_tensors: &[
        &[
            ("model.final_layernorm", "output_norm"),
            ("model.layers.{}.self_attn.dense", "blk.{}.attn_output"),
            ("model.layers.{}.mlp.fc1", "blk.{}.ffn_up"),
            ("model.layers.{}.mlp.fc2", "blk.{}.ffn_down"),
        ],
        LLAMA_TENSORS,
    ],
    layout: PerFormat {
        gguf: Layout { qkv: QkvLayout::Joined, ..Layout::SEPARATE },
        hf: Layout::SEPARATE,
    },
    norm: PerFormat::same(Norm::Layer),
    residual: Residual::Parallel,
    biases: Biases::all(Bias::Present),
    rope: PerFormat::same(RopePairing::HalfSplit),
    feed_forward: FeedForward::Plain(PlainActivation::GeluTanh),
    ..LLAMA
};
