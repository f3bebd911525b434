//! OLMo 3 (OLMo Team 2025), as folders name it; GGUF calls it OLMo 2, with windows.

use super::olmo2::OLMO2;
use crate::spec::ArchSpec;
use crate::spec::LayerKind::{Full, Sliding};

pub(super) const OLMO3: ArchSpec = ArchSpec {
    name: "olmo3",
    hf_names: &["Olmo3ForCausalLM"],
    layer_kinds: &[Sliding, Sliding, Sliding, Full],
    ..OLMO2
};
