//! Arcee AFM (Arcee 2025): Llama with squared ReLU instead of a gate.

use super::llama::LLAMA;
use crate::spec::{ArchSpec, FeedForward, PlainActivation};

pub(super) const ARCEE: ArchSpec = ArchSpec {
    name: "arcee",
    hf_names: &["ArceeForCausalLM"],
    feed_forward: FeedForward::Plain(PlainActivation::ReluSquared),
    ..LLAMA
};
