//! EXAONE 4 (LG AI Research 2025): norms after the blocks and over each head of q and k; the large
//! one has three layers with a window to one that sees all and rotates nothing.

use super::llama::LLAMA_TENSORS;
use super::olmo2::{OLMO2, POST_NORM_TENSORS};
use super::qwen3::QK_NORM_TENSORS;
use crate::spec::LayerKind::{Full, Sliding};
use crate::spec::{ArchSpec, QkNorm, RopeLayers};

pub(super) const EXAONE4: ArchSpec = ArchSpec {
    name: "exaone4",
    hf_names: &["Exaone4ForCausalLM"],
    hf_tensors: &[POST_NORM_TENSORS, QK_NORM_TENSORS, LLAMA_TENSORS],
    qk_norm: QkNorm::PerHead,
    rope_layers: RopeLayers::SlidingIfAny,
    layer_kinds: &[Sliding, Sliding, Sliding, Full],
    scales_sliding: true,
    ..OLMO2
};
