//! Qwen3 (Yang et al. 2025): Llama with a norm over each head of q and k.

use super::llama::{LLAMA, LLAMA_TENSORS};
use crate::spec::{ArchSpec, PerFormat, QkNorm, RopePairing, TensorNames};

/// Norms of q and k.
pub(super) const QK_NORM_TENSORS: TensorNames = &[
    ("model.layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm"),
    ("model.layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm"),
];

pub(super) const QWEN3: ArchSpec = ArchSpec {
    name: "qwen3",
    hf_names: &["Qwen3ForCausalLM"],
    hf_tensors: &[QK_NORM_TENSORS, LLAMA_TENSORS],
    qk_norm: QkNorm::PerHead,
    rope: PerFormat::same(RopePairing::HalfSplit),
    ..LLAMA
};
