//! SmolLM3 (Hugging Face 2025): Llama without positions in every fourth layer.

use super::llama::LLAMA;
use crate::spec::{ArchSpec, RopeLayers};

pub(super) const SMOLLM3: ArchSpec = ArchSpec {
    name: "smollm3",
    hf_names: &["SmolLM3ForCausalLM"],
    rope_layers: RopeLayers::AllButEvery(4),
    ..LLAMA
};
