//! Phi 3 (Abdin et al. 2024): Llama with joined matrices.

use super::llama::{LLAMA, LLAMA_TENSORS};
use crate::spec::LayerKind::Sliding;
use crate::spec::{ArchSpec, GateLayout, Layout, PerFormat, QkvLayout, RopePairing};

pub(super) const PHI3: ArchSpec = ArchSpec {
    name: "phi3",
    hf_names: &["Phi3ForCausalLM"],
    hf_tensors: &[
        &[
            ("model.layers.{}.self_attn.qkv_proj", "blk.{}.attn_qkv"),
            ("model.layers.{}.mlp.gate_up_proj", "blk.{}.ffn_up"),
        ],
        LLAMA_TENSORS,
    ],
    layout: PerFormat::same(Layout {
        qkv: QkvLayout::Joined,
        gate: GateLayout::First,
        ..Layout::SEPARATE
    }),
    rope: PerFormat::same(RopePairing::HalfSplit),
    // Without one where the file names no window.
    layer_kinds: &[Sliding],
    ..LLAMA
};
