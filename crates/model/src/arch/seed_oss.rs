//! Seed-OSS (ByteDance 2025): Llama with biases on q, k and v.

use super::llama::LLAMA;
use crate::spec::{ArchSpec, Bias, Biases, PerFormat, RopePairing};

pub(super) const SEED_OSS: ArchSpec = ArchSpec {
    name: "seed_oss",
    hf_names: &["SeedOssForCausalLM"],
    gguf_tensors: &[("blk.{}.post_attention_norm", "blk.{}.ffn_norm")],
    biases: Biases {
        qkv: Bias::Optional,
        attn_output: Bias::Optional,
        feed_forward: Bias::Optional,
        ..Biases::NONE
    },
    rope: PerFormat::same(RopePairing::HalfSplit),
    ..LLAMA
};
