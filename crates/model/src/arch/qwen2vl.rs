//! Qwen2-VL and Qwen2.5-VL (Wang et al. 2024), what they do with text: Qwen2. M-RoPE turns
//! sections of a head by time, height and width; a text has one position for all three.

use super::qwen2::QWEN2;
use crate::spec::ArchSpec;

pub(super) const QWEN2VL: ArchSpec = ArchSpec {
    name: "qwen2vl",
    hf_names: &["Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration"],
    ..QWEN2
};
