//! GLM-4-0414 (Zhipu 2025): norms before and after every block, half of each head rotated.

use super::llama::{LLAMA, LLAMA_TENSORS};
use crate::spec::{ArchSpec, Bias, Biases, GateLayout, Layout, PerFormat, Residual, RopePairing};

pub(super) const GLM4: ArchSpec = ArchSpec {
    name: "glm4",
    hf_names: &["Glm4ForCausalLM"],
    hf_tensors: &[
        &[
            ("model.layers.{}.post_self_attn_layernorm", "blk.{}.post_attention_norm"),
            ("model.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"),
            ("model.layers.{}.post_mlp_layernorm", "blk.{}.post_ffw_norm"),
            ("model.layers.{}.mlp.gate_up_proj", "blk.{}.ffn_up"),
        ],
        LLAMA_TENSORS,
    ],
    layout: PerFormat::same(Layout { gate: GateLayout::First, ..Layout::SEPARATE }),
    residual: Residual::SandwichNorm,
    biases: Biases { qkv: Bias::Optional, ..Biases::NONE },
    rope: PerFormat::same(RopePairing::Interleaved),
    ..LLAMA
};
