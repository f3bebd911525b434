//! Command R7B (Cohere 2024): three layers with a window to one that sees all and rotates nothing.

use super::command_r::COMMAND_R;
use crate::spec::LayerKind::{Full, Sliding};
use crate::spec::{ArchSpec, QkNorm, RopeLayers};

pub(super) const COHERE2: ArchSpec = ArchSpec {
    name: "cohere2",
    hf_names: &["Cohere2ForCausalLM"],
    qk_norm: QkNorm::None,
    rope_layers: RopeLayers::Sliding,
    layer_kinds: &[Sliding, Sliding, Sliding, Full],
    ..COMMAND_R
};
