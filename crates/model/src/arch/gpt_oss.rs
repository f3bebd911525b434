//! gpt-oss (OpenAI 2025, arXiv 2508.10925): experts in every layer, with biases and clamped gates;
//! every other layer has a window, every head a sink.

use super::llama::{LLAMA, LLAMA_TENSORS};
use crate::spec::{
    Activation, ArchSpec, Bias, Biases, FeedForward, GateLayout, LayerKind, Layout, PerFormat,
    RopePairing, TensorNames,
};

const TENSORS: TensorNames = &[
    ("model.layers.{}.self_attn.sinks", "blk.{}.attn_sinks.weight"),
    ("model.layers.{}.mlp.router", "blk.{}.ffn_gate_inp"),
    ("model.layers.{}.mlp.experts.gate_up_proj", "blk.{}.ffn_up_exps.weight"),
    ("model.layers.{}.mlp.experts.gate_up_proj_bias", "blk.{}.ffn_up_exps.bias"),
    ("model.layers.{}.mlp.experts.down_proj", "blk.{}.ffn_down_exps.weight"),
    ("model.layers.{}.mlp.experts.down_proj_bias", "blk.{}.ffn_down_exps.bias"),
];

pub(super) const GPT_OSS: ArchSpec = ArchSpec {
    name: "gpt-oss",
    hf_names: &["GptOssForCausalLM"],
    hf_tensors: &[TENSORS, LLAMA_TENSORS],
    gguf_tensors: &[("blk.{}.post_attention_norm", "blk.{}.ffn_norm")],
    layout: PerFormat {
        gguf: Layout::SEPARATE,
        hf: Layout { gate: GateLayout::Alternating, transposes_experts: true, ..Layout::SEPARATE },
    },
    norm_eps: 1e-5,
    has_sinks: true,
    biases: Biases {
        qkv: Bias::Present,
        attn_output: Bias::Present,
        experts: Bias::Present,
        ..Biases::NONE
    },
    rope: PerFormat::same(RopePairing::HalfSplit),
    rope_base: 150_000.0,
    truncates_yarn: false,
    layer_kinds: &[LayerKind::Sliding, LayerKind::Full],
    feed_forward: FeedForward::Gated(Activation::ClampedSilu),
    ..LLAMA
};
