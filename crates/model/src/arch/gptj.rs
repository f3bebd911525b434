//! GPT-J (Wang & Komatsuzaki 2021): attention and feed-forward read one layer norm, neighbours are
//! rotated.

use super::llama::LLAMA;
use crate::spec::{
    ArchSpec, Bias, Biases, FeedForward, Norm, PerFormat, PlainActivation, Residual, RopePairing,
};

pub(super) const GPTJ: ArchSpec = ArchSpec {
    name: "gptj",
    hf_names: &["GPTJForCausalLM"],
    hf_tensors: &[&[
        ("transformer.wte", "token_embd"),
        ("transformer.ln_f", "output_norm"),
        ("lm_head", "output"),
        ("transformer.h.{}.ln_1", "blk.{}.attn_norm"),
        ("transformer.h.{}.attn.q_proj", "blk.{}.attn_q"),
        ("transformer.h.{}.attn.k_proj", "blk.{}.attn_k"),
        ("transformer.h.{}.attn.v_proj", "blk.{}.attn_v"),
        ("transformer.h.{}.attn.out_proj", "blk.{}.attn_output"),
        ("transformer.h.{}.mlp.fc_in", "blk.{}.ffn_up"),
        ("transformer.h.{}.mlp.fc_out", "blk.{}.ffn_down"),
    ]],
    norm: PerFormat::same(Norm::Layer),
    residual: Residual::Parallel,
    biases: Biases {
        norm: Bias::Present,
        feed_forward: Bias::Present,
        output: Bias::Present,
        ..Biases::NONE
    },
    rope: PerFormat::same(RopePairing::Interleaved),
    feed_forward: FeedForward::Plain(PlainActivation::GeluTanh),
    ..LLAMA
};
