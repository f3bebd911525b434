//! Mixtral (Jiang et al. 2024), as folders name it; GGUF calls it Llama, with experts.

use super::llama::LLAMA_TENSORS;
use super::mistral::MISTRAL;
use crate::spec::ArchSpec;

pub(super) const MIXTRAL: ArchSpec = ArchSpec {
    name: "mixtral",
    hf_names: &["MixtralForCausalLM"],
    hf_tensors: &[
        &[
            ("model.layers.{}.block_sparse_moe.gate", "blk.{}.ffn_gate_inp"),
            ("model.layers.{}.block_sparse_moe.experts.{}.w1", "blk.{}.ffn_gate_exps.{}"),
            ("model.layers.{}.block_sparse_moe.experts.{}.w3", "blk.{}.ffn_up_exps.{}"),
            ("model.layers.{}.block_sparse_moe.experts.{}.w2", "blk.{}.ffn_down_exps.{}"),
        ],
        LLAMA_TENSORS,
    ],
    ..MISTRAL
};
