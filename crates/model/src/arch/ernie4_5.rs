//! ERNIE 4.5 (Baidu 2025), dense: Llama with neighbours rotated.

use super::llama::LLAMA;
use crate::spec::{ArchSpec, PerFormat, RopePairing};

pub(super) const ERNIE4_5: ArchSpec = ArchSpec {
    name: "ernie4_5",
    hf_names: &["Ernie4_5ForCausalLM"],
    rope: PerFormat::same(RopePairing::Interleaved),
    ..LLAMA
};
