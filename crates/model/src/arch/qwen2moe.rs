//! Qwen1.5 and Qwen2 MoE (Qwen Team 2024): Qwen2 with experts, one of which all tokens go through.

use super::llama::LLAMA_TENSORS;
use super::qwen2::QWEN2;
use crate::spec::{ArchSpec, TensorNames};

/// Experts, as most folders call them.
pub(super) const EXPERT_TENSORS: TensorNames = &[
    ("model.layers.{}.mlp.gate", "blk.{}.ffn_gate_inp"),
    ("model.layers.{}.mlp.experts.{}.gate_proj", "blk.{}.ffn_gate_exps.{}"),
    ("model.layers.{}.mlp.experts.{}.up_proj", "blk.{}.ffn_up_exps.{}"),
    ("model.layers.{}.mlp.experts.{}.down_proj", "blk.{}.ffn_down_exps.{}"),
    ("model.layers.{}.mlp.shared_expert_gate", "blk.{}.ffn_gate_inp_shexp"),
    ("model.layers.{}.mlp.shared_expert.gate_proj", "blk.{}.ffn_gate_shexp"),
    ("model.layers.{}.mlp.shared_expert.up_proj", "blk.{}.ffn_up_shexp"),
    ("model.layers.{}.mlp.shared_expert.down_proj", "blk.{}.ffn_down_shexp"),
];

pub(super) const QWEN2MOE: ArchSpec = ArchSpec {
    name: "qwen2moe",
    hf_names: &["Qwen2MoeForCausalLM"],
    hf_tensors: &[EXPERT_TENSORS, LLAMA_TENSORS],
    normalizes_experts: false,
    gates_shared_expert: true,
    ..QWEN2
};
