//! Qwen2 and Qwen2.5 (Yang et al. 2024): Llama with biases on q, k and v.

use super::llama::LLAMA;
use crate::spec::{ArchSpec, Bias, Biases, PerFormat, RopePairing};

pub(super) const QWEN2: ArchSpec = ArchSpec {
    name: "qwen2",
    hf_names: &["Qwen2ForCausalLM"],
    biases: Biases { qkv: Bias::Present, ..Biases::NONE },
    rope: PerFormat::same(RopePairing::HalfSplit),
    ..LLAMA
};
