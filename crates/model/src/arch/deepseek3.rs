//! DeepSeek-V3 (arXiv 2412.19437) and what shares its shape: R1, Kimi K2, GLM-4.7-Flash. Folders
//! only: in GGUF it is `deepseek2`.

use super::deepseek2::DEEPSEEK2;
use crate::spec::{ArchSpec, RouterScores};

pub(super) const DEEPSEEK3: ArchSpec = ArchSpec {
    name: "deepseek3",
    hf_names: &["DeepseekV3ForCausalLM", "Glm4MoeLiteForCausalLM"],
    router_scores: RouterScores::Sigmoid,
    normalizes_experts: true,
    ..DEEPSEEK2
};
