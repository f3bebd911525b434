//! EXAONE 3 (LG AI Research 2024): Llama with other tensor names.

use super::llama::LLAMA;
use crate::spec::{ArchSpec, PerFormat, RopePairing};

pub(super) const EXAONE: ArchSpec = ArchSpec {
    name: "exaone",
    hf_names: &["ExaoneForCausalLM"],
    hf_tensors: &[&[
        ("transformer.wte", "token_embd"),
        ("transformer.ln_f", "output_norm"),
        ("lm_head", "output"),
        ("transformer.h.{}.ln_1", "blk.{}.attn_norm"),
        ("transformer.h.{}.attn.attention.q_proj", "blk.{}.attn_q"),
        ("transformer.h.{}.attn.attention.k_proj", "blk.{}.attn_k"),
        ("transformer.h.{}.attn.attention.v_proj", "blk.{}.attn_v"),
        ("transformer.h.{}.attn.attention.out_proj", "blk.{}.attn_output"),
        ("transformer.h.{}.ln_2", "blk.{}.ffn_norm"),
        ("transformer.h.{}.mlp.c_fc_0", "blk.{}.ffn_gate"),
        ("transformer.h.{}.mlp.c_fc_1", "blk.{}.ffn_up"),
        ("transformer.h.{}.mlp.c_proj", "blk.{}.ffn_down"),
    ]],
    rope: PerFormat::same(RopePairing::HalfSplit),
    ..LLAMA
};
