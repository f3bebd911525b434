//! GPT-2 (Radford et al. 2019): learned positions, layer norms, biases, no gate.

use super::llama::LLAMA;
use crate::spec::{
    ArchSpec, Bias, Biases, FeedForward, Layout, Norm, PerFormat, PlainActivation, Positions,
    QkvLayout,
};

const JOINED: Layout = Layout { qkv: QkvLayout::Joined, ..Layout::SEPARATE };

pub(super) const GPT2: ArchSpec = ArchSpec {
    name: "gpt2",
    hf_names: &["GPT2LMHeadModel"],
    hf_tensors: &[&[
        ("transformer.wte", "token_embd"),
        ("transformer.wpe", "position_embd"),
        ("transformer.ln_f", "output_norm"),
        ("lm_head", "output"),
        ("transformer.h.{}.ln_1", "blk.{}.attn_norm"),
        ("transformer.h.{}.attn.c_attn", "blk.{}.attn_qkv"),
        ("transformer.h.{}.attn.c_proj", "blk.{}.attn_output"),
        ("transformer.h.{}.ln_2", "blk.{}.ffn_norm"),
        ("transformer.h.{}.mlp.c_fc", "blk.{}.ffn_up"),
        ("transformer.h.{}.mlp.c_proj", "blk.{}.ffn_down"),
    ]],
    hf_prefix: "transformer.",
    layout: PerFormat { gguf: JOINED, hf: Layout { is_transposed: true, ..JOINED } },
    norm: PerFormat::same(Norm::Layer),
    biases: Biases { output: Bias::None, ..Biases::all(Bias::Present) },
    positions: Positions::Learned { first_row: 0 },
    feed_forward: FeedForward::Plain(PlainActivation::GeluTanh),
    ..LLAMA
};
