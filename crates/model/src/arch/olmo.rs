//! OLMo (Groeneveld et al. 2024): Llama with layer norms that have no weights, clipped q, k and v.

use super::llama::LLAMA;
use crate::spec::{ArchSpec, Norm, PerFormat};

pub(super) const OLMO: ArchSpec = ArchSpec {
    name: "olmo",
    hf_names: &["OlmoForCausalLM"],
    norm: PerFormat::same(Norm::LayerPlain),
    norm_eps: 1e-5,
    ..LLAMA
};
