//! Gemma (Gemma Team 2024): Llama with gains of `1 + w`, scaled embeddings and a GELU gate.

use super::llama::LLAMA;
use crate::spec::{
    Activation, ArchSpec, EmbeddingScale, FeedForward, Norm, PerFormat, RopePairing,
};

pub(super) const GEMMA: ArchSpec = ArchSpec {
    name: "gemma",
    hf_names: &["GemmaForCausalLM"],
    norm: PerFormat { gguf: Norm::Rms, hf: Norm::RmsPlusOne },
    rope: PerFormat::same(RopePairing::HalfSplit),
    feed_forward: FeedForward::Gated(Activation::GeluTanh),
    embedding_scale: EmbeddingScale::SqrtModelDim,
    ..LLAMA
};
