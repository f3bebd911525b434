//! EmbeddingGemma (Schechter Vera et al. 2025): Gemma 3 whose tokens look both ways.

use super::gemma3::GEMMA3;
use crate::spec::{ArchSpec, Direction, Output, PerFormat};

pub(super) const GEMMA_EMBEDDING: ArchSpec = ArchSpec {
    name: "gemma-embedding",
    hf_names: &["Gemma3TextModel"],
    // A folder says so itself.
    direction: PerFormat { gguf: Direction::Bidirectional, hf: Direction::Causal },
    output: Output::HiddenStates,
    ..GEMMA3
};
