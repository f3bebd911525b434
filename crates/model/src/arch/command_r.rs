//! Command R (Cohere 2024): attention and feed-forward read one layer norm without a bias, logits
//! are scaled.

use super::llama::{LLAMA, LLAMA_TENSORS};
use super::qwen3::QK_NORM_TENSORS;
use crate::spec::{ArchSpec, Norm, PerFormat, QkNorm, Residual, RopePairing};

pub(super) const COMMAND_R: ArchSpec = ArchSpec {
    name: "command-r",
    hf_names: &["CohereForCausalLM"],
    hf_tensors: &[QK_NORM_TENSORS, LLAMA_TENSORS],
    norm: PerFormat::same(Norm::Layer),
    residual: Residual::Parallel,
    qk_norm: QkNorm::PerHeadOwnGains,
    rope: PerFormat::same(RopePairing::Interleaved),
    ..LLAMA
};
