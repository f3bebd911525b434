//! The architectures, one file each, and the list of them.

mod gemma3;
mod llama;
mod qwen2;

use crate::spec::ArchSpec;

pub const ARCHITECTURES: &[ArchSpec] = &[llama::LLAMA, qwen2::QWEN2, gemma3::GEMMA3];

/// By GGUF's `general.architecture`.
pub fn by_name(name: &str) -> Option<&'static ArchSpec> {
    ARCHITECTURES.iter().find(|spec| spec.name == name)
}

/// By config.json's `architectures[0]`.
pub fn by_hf_name(name: &str) -> Option<&'static ArchSpec> {
    ARCHITECTURES.iter().find(|spec| spec.hf_names.contains(&name))
}
