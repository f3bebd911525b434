//! MPT (MosaicML 2023): ALiBi, layer norms without biases.

use super::llama::LLAMA;
use crate::spec::{
    ArchSpec, FeedForward, Layout, Norm, PerFormat, PlainActivation, Positions, QkvLayout,
};

pub(super) const MPT: ArchSpec = ArchSpec {
    name: "mpt",
    hf_names: &["MptForCausalLM", "MPTForCausalLM"],
    hf_tensors: &[&[
        ("transformer.wte", "token_embd"),
        ("transformer.norm_f", "output_norm"),
        ("lm_head", "output"),
        ("transformer.blocks.{}.norm_1", "blk.{}.attn_norm"),
        ("transformer.blocks.{}.attn.Wqkv", "blk.{}.attn_qkv"),
        ("transformer.blocks.{}.attn.out_proj", "blk.{}.attn_output"),
        ("transformer.blocks.{}.norm_2", "blk.{}.ffn_norm"),
        ("transformer.blocks.{}.ffn.up_proj", "blk.{}.ffn_up"),
        ("transformer.blocks.{}.ffn.down_proj", "blk.{}.ffn_down"),
    ]],
    n_ctx: Some(2048),
    layout: PerFormat::same(Layout { qkv: QkvLayout::Joined, ..Layout::SEPARATE }),
    norm: PerFormat::same(Norm::Layer),
    positions: Positions::Alibi,
    feed_forward: FeedForward::Plain(PlainActivation::Gelu),
    ..LLAMA
};
