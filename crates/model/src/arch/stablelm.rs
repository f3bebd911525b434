//! StableLM 2 (Bellagente et al. 2024): Llama with layer norms; a quarter of each head is rotated.

use super::llama::LLAMA;
use crate::spec::{ArchSpec, Bias, Biases, Norm, PerFormat, QkNorm, RopePairing};

pub(super) const STABLELM: ArchSpec = ArchSpec {
    name: "stablelm",
    hf_names: &["StableLmForCausalLM"],
    norm: PerFormat::same(Norm::Layer),
    qk_norm: QkNorm::PerHeadOwnGains,
    biases: Biases { qkv: Bias::Optional, norm: Bias::Present, ..Biases::NONE },
    rope: PerFormat::same(RopePairing::HalfSplit),
    ..LLAMA
};
