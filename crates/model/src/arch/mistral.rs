//! Mistral (Jiang et al. 2023), as folders name it; GGUF calls it Llama. The first one has a
//! window.

use super::llama::LLAMA;
use crate::spec::ArchSpec;
use crate::spec::LayerKind::Sliding;

pub(super) const MISTRAL: ArchSpec = ArchSpec {
    name: "mistral",
    hf_names: &["MistralForCausalLM"],
    // Without one where the file names no window.
    layer_kinds: &[Sliding],
    ..LLAMA
};
