//! dots.llm1 (rednote-hilab 2025): Qwen3 with experts after the first layers, chosen as DeepSeek-V3
//! (arXiv 2412.19437, section 2.1.2) does.

use super::llama::LLAMA_TENSORS;
use super::qwen2moe::EXPERT_TENSORS;
use super::qwen3::{QK_NORM_TENSORS, QWEN3};
use crate::spec::{ArchSpec, RouterScores, TensorNames};

/// What folders whose experts are chosen so call what others do not have.
pub(super) const SIGMOID_ROUTER_TENSORS: TensorNames = &[
    ("model.layers.{}.mlp.gate.e_score_correction_bias", "blk.{}.exp_probs_b.bias"),
    ("model.layers.{}.mlp.shared_experts.gate_proj", "blk.{}.ffn_gate_shexp"),
    ("model.layers.{}.mlp.shared_experts.up_proj", "blk.{}.ffn_up_shexp"),
    ("model.layers.{}.mlp.shared_experts.down_proj", "blk.{}.ffn_down_shexp"),
];

pub(super) const DOTS1: ArchSpec = ArchSpec {
    name: "dots1",
    hf_names: &["Dots1ForCausalLM"],
    hf_tensors: &[SIGMOID_ROUTER_TENSORS, EXPERT_TENSORS, QK_NORM_TENSORS, LLAMA_TENSORS],
    router_scores: RouterScores::Sigmoid,
    normalizes_experts: false,
    ..QWEN3
};
