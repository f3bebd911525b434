//! XGLM (Lin et al. 2021): sinusoidal positions, layer norms, biases, scaled embeddings.

use super::llama::LLAMA;
use crate::spec::{
    ArchSpec, Bias, Biases, EmbeddingScale, FeedForward, Norm, PerFormat, PlainActivation,
    Positions,
};

pub(super) const XGLM: ArchSpec = ArchSpec {
    name: "xglm",
    hf_names: &["XGLMForCausalLM"],
    hf_tensors: &[&[
        ("model.embed_tokens", "token_embd"),
        ("model.layer_norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers.{}.self_attn_layer_norm", "blk.{}.attn_norm"),
        ("model.layers.{}.self_attn.q_proj", "blk.{}.attn_q"),
        ("model.layers.{}.self_attn.k_proj", "blk.{}.attn_k"),
        ("model.layers.{}.self_attn.v_proj", "blk.{}.attn_v"),
        ("model.layers.{}.self_attn.out_proj", "blk.{}.attn_output"),
        ("model.layers.{}.final_layer_norm", "blk.{}.ffn_norm"),
        ("model.layers.{}.fc1", "blk.{}.ffn_up"),
        ("model.layers.{}.fc2", "blk.{}.ffn_down"),
    ]],
    norm: PerFormat::same(Norm::Layer),
    norm_eps: 1e-5,
    biases: Biases { output: Bias::None, ..Biases::all(Bias::Present) },
    // The first two stand for padding.
    positions: Positions::Sinusoidal { first: 2 },
    feed_forward: FeedForward::Plain(PlainActivation::Gelu),
    embedding_scale: EmbeddingScale::SqrtModelDim,
    ..LLAMA
};
