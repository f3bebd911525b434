//! Hunyuan, dense (Tencent 2025): Llama with a norm over each head of q and k, after the rotation.

use super::llama::{LLAMA, LLAMA_TENSORS};
use crate::spec::{ArchSpec, PerFormat, QkNorm, RopePairing};

pub(super) const HUNYUAN_DENSE: ArchSpec = ArchSpec {
    name: "hunyuan-dense",
    hf_names: &["HunYuanDenseV1ForCausalLM"],
    hf_tensors: &[
        &[
            ("model.layers.{}.self_attn.query_layernorm", "blk.{}.attn_q_norm"),
            ("model.layers.{}.self_attn.key_layernorm", "blk.{}.attn_k_norm"),
        ],
        LLAMA_TENSORS,
    ],
    qk_norm: QkNorm::PerHead,
    norms_rotated: true,
    rope: PerFormat::same(RopePairing::HalfSplit),
    ..LLAMA
};
