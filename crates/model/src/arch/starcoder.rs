//! StarCoder (Li et al. 2023): GPT-2 with one kv head.

use super::gpt2::GPT2;
use crate::spec::{ArchSpec, Layout, PerFormat, QkvLayout};

pub(super) const STARCODER: ArchSpec = ArchSpec {
    name: "starcoder",
    hf_names: &["GPTBigCodeForCausalLM"],
    // Head by head where there are several kv heads, and the same where there is one.
    layout: PerFormat {
        gguf: Layout { qkv: QkvLayout::Joined, ..Layout::SEPARATE },
        hf: Layout { qkv: QkvLayout::ByKvHead, ..Layout::SEPARATE },
    },
    ..GPT2
};
