//! StarCoder 2 (Lozhkov et al. 2024): layer norms, biases everywhere, no gate.

use super::llama::{LLAMA, LLAMA_TENSORS};
use crate::spec::LayerKind::Sliding;
use crate::spec::{
    ArchSpec, Bias, Biases, FeedForward, Norm, PerFormat, PlainActivation, RopePairing,
};

pub(super) const STARCODER2: ArchSpec = ArchSpec {
    name: "starcoder2",
    hf_names: &["Starcoder2ForCausalLM"],
    hf_tensors: &[
        &[
            ("model.layers.{}.mlp.c_fc", "blk.{}.ffn_up"),
            ("model.layers.{}.mlp.c_proj", "blk.{}.ffn_down"),
        ],
        LLAMA_TENSORS,
    ],
    norm: PerFormat::same(Norm::Layer),
    biases: Biases { output: Bias::None, ..Biases::all(Bias::Present) },
    rope: PerFormat::same(RopePairing::HalfSplit),
    // Without one where the file names no window.
    layer_kinds: &[Sliding],
    feed_forward: FeedForward::Plain(PlainActivation::GeluTanh),
    ..LLAMA
};
