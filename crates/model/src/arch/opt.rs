//! OPT (Zhang et al. 2022): learned positions that begin at the third row, ReLU.

use super::llama::LLAMA;
use crate::spec::{
    ArchSpec, Bias, Biases, FeedForward, Norm, PerFormat, PlainActivation, Positions,
};

pub(super) const OPT: ArchSpec = ArchSpec {
    name: "opt",
    hf_names: &["OPTForCausalLM"],
    hf_tensors: &[&[
        ("model.decoder.embed_tokens", "token_embd"),
        ("model.decoder.embed_positions", "position_embd"),
        ("model.decoder.final_layer_norm", "output_norm"),
        ("lm_head", "output"),
        ("model.decoder.layers.{}.self_attn_layer_norm", "blk.{}.attn_norm"),
        ("model.decoder.layers.{}.self_attn.q_proj", "blk.{}.attn_q"),
        ("model.decoder.layers.{}.self_attn.k_proj", "blk.{}.attn_k"),
        ("model.decoder.layers.{}.self_attn.v_proj", "blk.{}.attn_v"),
        ("model.decoder.layers.{}.self_attn.out_proj", "blk.{}.attn_output"),
        ("model.decoder.layers.{}.final_layer_norm", "blk.{}.ffn_norm"),
        ("model.decoder.layers.{}.fc1", "blk.{}.ffn_up"),
        ("model.decoder.layers.{}.fc2", "blk.{}.ffn_down"),
    ]],
    norm: PerFormat::same(Norm::Layer),
    norm_eps: 1e-5,
    biases: Biases { output: Bias::None, ..Biases::all(Bias::Present) },
    positions: Positions::Learned { first_row: 2 },
    feed_forward: FeedForward::Plain(PlainActivation::Relu),
    ..LLAMA
};
