//! GLM-4.5 (Zhipu 2025, arXiv 2508.06471): experts after the first layers, chosen as DeepSeek-V3
//! does; half of each head rotated; norms of q and k in the largest model only.

use super::dots1::DOTS1;
use crate::spec::{ArchSpec, Bias, Biases, QkNorm};

pub(super) const GLM4MOE: ArchSpec = ArchSpec {
    name: "glm4moe",
    hf_names: &["Glm4MoeForCausalLM"],
    gguf_tensors: &[("blk.{}.post_attention_norm", "blk.{}.ffn_norm")],
    norm_eps: 1e-5,
    qk_norm: QkNorm::PerHeadOptional,
    biases: Biases { qkv: Bias::Optional, ..Biases::NONE },
    normalizes_experts: true,
    ..DOTS1
};
