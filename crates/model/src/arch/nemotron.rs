//! Nemotron 4 (NVIDIA 2024): layer norms of `1 + w`, squared ReLU without a gate, half of each head
//! rotated.

use super::llama::LLAMA;
use crate::spec::{
    ArchSpec, Bias, Biases, FeedForward, Norm, PerFormat, PlainActivation, RopePairing,
};

pub(super) const NEMOTRON: ArchSpec = ArchSpec {
    name: "nemotron",
    hf_names: &["NemotronForCausalLM"],
    norm: PerFormat { gguf: Norm::Layer, hf: Norm::LayerPlusOne },
    biases: Biases { norm: Bias::Present, ..Biases::NONE },
    rope: PerFormat::same(RopePairing::HalfSplit),
    feed_forward: FeedForward::Plain(PlainActivation::ReluSquared),
    ..LLAMA
};
