//! Granite 3 (IBM 2024): Llama with four scales.

use super::llama::LLAMA;
use crate::spec::{ArchSpec, LogitScale};

pub(super) const GRANITE: ArchSpec = ArchSpec {
    name: "granite",
    hf_names: &["GraniteForCausalLM"],
    logit_scale: LogitScale::Divides,
    ..LLAMA
};
