//! OLMoE (Muennighoff et al. 2024): Llama with experts, and norms over all heads of q and k
//! together.

use super::llama::{LLAMA, LLAMA_TENSORS};
use super::qwen2moe::EXPERT_TENSORS;
use super::qwen3::QK_NORM_TENSORS;
use crate::spec::{ArchSpec, PerFormat, QkNorm, RopePairing};

pub(super) const OLMOE: ArchSpec = ArchSpec {
    name: "olmoe",
    hf_names: &["OlmoeForCausalLM"],
    hf_tensors: &[EXPERT_TENSORS, QK_NORM_TENSORS, LLAMA_TENSORS],
    qk_norm: QkNorm::Whole,
    rope: PerFormat::same(RopePairing::HalfSplit),
    normalizes_experts: false,
    ..LLAMA
};
