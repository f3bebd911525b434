//! Ministral 3 (Mistral AI 2025), text: Mistral, with queries that grow with the position.

use super::mistral::MISTRAL;
use crate::spec::ArchSpec;

pub(super) const MISTRAL3: ArchSpec = ArchSpec {
    name: "mistral3",
    hf_names: &["Ministral3ForCausalLM"],
    query_growth: Some("llama_4_scaling_beta"),
    ..MISTRAL
};
