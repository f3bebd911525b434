//! GLM-4 and ChatGLM (GLM Team 2024): Llama with joined matrices, biases on q, k and v, and half of
//! each head rotated.

use super::llama::{LLAMA, LLAMA_TENSORS};
use crate::spec::{ArchSpec, Bias, Biases, GateLayout, Layout, PerFormat, QkvLayout, RopePairing};

pub(super) const CHATGLM: ArchSpec = ArchSpec {
    name: "chatglm",
    hf_names: &["GlmForCausalLM"],
    hf_tensors: &[&[("model.layers.{}.mlp.gate_up_proj", "blk.{}.ffn_up")], LLAMA_TENSORS],
    layout: PerFormat::same(Layout {
        qkv: QkvLayout::Joined,
        gate: GateLayout::First,
        ..Layout::SEPARATE
    }),
    biases: Biases { qkv: Bias::Optional, ..Biases::NONE },
    rope: PerFormat::same(RopePairing::Interleaved),
    ..LLAMA
};
