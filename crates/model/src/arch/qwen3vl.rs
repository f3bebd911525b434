//! Qwen3-VL (Qwen Team 2025), what it does with text: Qwen3. M-RoPE's sections take turns in a
//! head; a text has one position for all of them.

use super::qwen3::QWEN3;
use crate::spec::ArchSpec;

pub(super) const QWEN3VL: ArchSpec =
    ArchSpec { name: "qwen3vl", hf_names: &["Qwen3VLForConditionalGeneration"], ..QWEN3 };
