//! Granite 3 MoE (IBM 2024): Granite with experts, in some models one that all tokens go through.

use super::granite::GRANITE;
use super::llama::LLAMA_TENSORS;
use crate::spec::{ArchSpec, GateLayout, Layout, PerFormat};

pub(super) const GRANITEMOE: ArchSpec = ArchSpec {
    name: "granitemoe",
    hf_names: &["GraniteMoeForCausalLM", "GraniteMoeSharedForCausalLM"],
    hf_tensors: &[
        &[
            ("model.layers.{}.block_sparse_moe.router.layer", "blk.{}.ffn_gate_inp"),
            ("model.layers.{}.block_sparse_moe.input_linear", "blk.{}.ffn_up_exps"),
            ("model.layers.{}.block_sparse_moe.output_linear", "blk.{}.ffn_down_exps"),
            ("model.layers.{}.shared_mlp.input_linear", "blk.{}.ffn_up_shexp"),
            ("model.layers.{}.shared_mlp.output_linear", "blk.{}.ffn_down_shexp"),
        ],
        LLAMA_TENSORS,
    ],
    layout: PerFormat {
        gguf: Layout::SEPARATE,
        hf: Layout { gate: GateLayout::First, ..Layout::SEPARATE },
    },
    ..GRANITE
};
