//! CodeGen (Nijkamp et al. 2022): GPT-J with a joined matrix.

use super::gptj::GPTJ;
use crate::spec::{ArchSpec, Layout, PerFormat, QkvLayout};

pub(super) const CODEGEN: ArchSpec = ArchSpec {
    name: "codegen",
    hf_names: &["CodeGenForCausalLM"],
    hf_tensors: &[&[("transformer.h.{}.attn.qkv_proj", "blk.{}.attn_qkv")], GPTJ.hf_tensors[0]],
    layout: PerFormat::same(Layout { qkv: QkvLayout::InFourths, ..Layout::SEPARATE }),
    ..GPTJ
};
