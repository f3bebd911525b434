//! MiniCPM3 (OpenBMB 2024): latent attention (DeepSeek-V2, arXiv 2405.04434) in a dense model with
//! MiniCPM's scales. GGUF files say nothing of these: they are those of the 4B model.

use super::deepseek2::{LATENT_TENSORS, latent_scale};
use super::llama::{LLAMA, LLAMA_TENSORS};
use crate::spec::{ArchSpec, AttentionKind, PerFormat, RopePairing, SizeScales};

pub(super) const MINICPM3: ArchSpec = ArchSpec {
    name: "minicpm3",
    hf_names: &["MiniCPM3ForCausalLM"],
    hf_tensors: &[LLAMA_TENSORS, LATENT_TENSORS],
    norm_eps: 1e-5,
    attention: AttentionKind::Latent,
    rope: PerFormat::same(RopePairing::HalfSplit),
    size_scales: Some(SizeScales { embedding: 12.0, depth: 1.4, d_model_base: 256.0 }),
    attn_scale: latent_scale,
    ..LLAMA
};
