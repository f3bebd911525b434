//! Qwen3 MoE (Yang et al. 2025): Qwen3 with experts.

use super::llama::LLAMA_TENSORS;
use super::qwen2moe::EXPERT_TENSORS;
use super::qwen3::{QK_NORM_TENSORS, QWEN3};
use crate::spec::ArchSpec;

pub(super) const QWEN3MOE: ArchSpec = ArchSpec {
    name: "qwen3moe",
    hf_names: &["Qwen3MoeForCausalLM"],
    hf_tensors: &[EXPERT_TENSORS, QK_NORM_TENSORS, LLAMA_TENSORS],
    ..QWEN3
};
