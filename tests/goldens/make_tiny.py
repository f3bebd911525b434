"""Tiny random models and what transformers computes with them, one folder per case.

    cargo xtask goldens          # runs this file in a virtual environment with requirements.txt
    cargo xtask goldens qwen3    # for some cases only

README.md beside this file says what is written. The seed is fixed: with the same versions the
files come out the same.
"""

import json
import math
import pathlib
import shutil
import sys
import tempfile
import zlib

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save, save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.falcon import modeling_falcon

import tiny_bert
import tiny_quantized
import tiny_tokenizer
import tiny_t5
import tiny_unigram
import tiny_wordpiece

HERE = pathlib.Path(__file__).resolve().parent
TEXT = "The heat of the sun is on it, and a red hen."
N_CTX = 128

TOKENS = dict(
    vocab_size=len(tiny_tokenizer.TOKENS),
    bos_token_id=tiny_tokenizer.BOS,
    eos_token_id=tiny_tokenizer.EOS,
    pad_token_id=None,
)
SHARED = dict(**TOKENS, max_position_embeddings=N_CTX, rms_norm_eps=1e-5)
LAYER_NORM = dict(**TOKENS, max_position_embeddings=N_CTX, layer_norm_eps=1e-5)

# A small Llama, for what differs from it in one thing.
SMALL = dict(
    hidden_size=32,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    tie_word_embeddings=False,
)

# Rows of whole blocks, two and three of them, for what is quantised in its folder.
BLOCKS = dict(SMALL, hidden_size=64, intermediate_size=96, num_hidden_layers=1)

# head_dim is not d_model / n_heads (12).
LLAMA = dict(
    hidden_size=48,
    intermediate_size=64,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=24,
    tie_word_embeddings=False,
)

# Wavelengths of the 12 frequencies run from 6 to 29000 positions: two are kept, two lie in the
# blend, the rest are divided.
LLAMA3_ROPE = dict(
    rope_type="llama3",
    rope_theta=10000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=64,
)

# Two frequencies are kept, the rest are in the blend or divided.
YARN = dict(
    rope_type="yarn",
    rope_theta=10000.0,
    factor=8.0,
    beta_fast=8.0,
    beta_slow=1.0,
    original_max_position_embeddings=64,
)
LINEAR = dict(rope_type="linear", rope_theta=10000.0, factor=4.0)
DYNAMIC = dict(rope_type="dynamic", rope_theta=10000.0, factor=4.0)
# Three quarters of a head of 8: three pairs.
LONG_ROPE = dict(
    rope_theta=10000.0,
    partial_rotary_factor=0.75,
    short_factor=[1.0, 1.25, 1.5],
    long_factor=[1.5, 8.0, 30.0],
)
# Of 8 rotated dimensions.
LATENT_LONG_ROPE = dict(
    rope_theta=10000.0,
    short_factor=[1.0, 1.25, 1.5, 2.0],
    long_factor=[1.5, 8.0, 30.0, 60.0],
)
MINICPM3 = dict(
    hidden_size=48,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=6,
    num_key_value_heads=6,
    q_lora_rank=40,
    kv_lora_rank=24,
    qk_nope_head_dim=12,
    qk_rope_head_dim=8,
    v_head_dim=16,
)
# No two widths are the same; the second layer has experts.
DEEPSEEK = dict(
    hidden_size=48,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=4,
    kv_lora_rank=32,
    qk_nope_head_dim=12,
    qk_rope_head_dim=8,
    v_head_dim=20,
    tie_word_embeddings=False,
)
# Experts of two of four groups, and two that all tokens go through.
GROUPED = dict(
    moe_intermediate_size=24,
    n_routed_experts=8,
    num_experts_per_tok=3,
    n_shared_experts=2,
    n_group=4,
    topk_group=2,
    routed_scaling_factor=2.5,
)
GRANITE = dict(
    embedding_multiplier=6.0,
    attention_multiplier=0.25,
    residual_multiplier=0.5,
    logits_scaling=4.0,
)

# Layers with a window are not scaled; the base is the only one that the library reads from a
# published file for both kinds of layers.
OLMO3_ROPE = dict(
    full_attention=dict(YARN, rope_theta=500000.0),
    sliding_attention=dict(rope_type="default", rope_theta=500000.0),
)

FIRST_SEEDS = {"llama": 1, "llama-rope-scaled": 2, "qwen2": 3, "gemma3": 4}
# The first position of the text, where it is not 0: far behind the original context.
FIRST_POS = {
    "llama-yarn": 20000,
    "llama-linear": 20000,
    "llama-dynamic": 20000,
    "mistral3": 20000,
    "deepseek2-v3": 20000,
    "gpt-oss": 20000,
    "minicpm3-longrope": 20000,
    "phi3-longrope": 20000,
}

CASES = {
    "llama": transformers.LlamaConfig(**SHARED, **LLAMA, num_hidden_layers=2, rope_theta=100000.0),
    "llama-rope-scaled": transformers.LlamaConfig(
        **SHARED, **LLAMA, num_hidden_layers=1, rope_parameters=LLAMA3_ROPE
    ),
    # Seven query heads share one key-value head.
    "qwen2": transformers.Qwen2Config(
        **SHARED,
        hidden_size=56,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=7,
        num_key_value_heads=1,
        rope_theta=1000000.0,
        tie_word_embeddings=True,
    ),
    # Layer 5 is full, the other six see 8 tokens. The scalar differs from head_dim by a power of
    # four, so that its square root can move into a norm's weights without rounding (write_gguf).
    "gemma3": transformers.Gemma3TextConfig(
        **SHARED,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=7,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        query_pre_attn_scalar=8,
        sliding_window=8,
        rope_theta=1000000.0,
        rope_local_base_freq=10000.0,
        tie_word_embeddings=True,
    ),
    "llama-yarn": transformers.LlamaConfig(
        **SHARED, **LLAMA, num_hidden_layers=1, rope_parameters=YARN
    ),
    "llama-linear": transformers.LlamaConfig(
        **SHARED, **LLAMA, num_hidden_layers=1, rope_parameters=LINEAR
    ),
    "llama-dynamic": transformers.LlamaConfig(
        **SHARED, **LLAMA, num_hidden_layers=1, rope_parameters=DYNAMIC
    ),
    "gemma": transformers.GemmaConfig(
        **SHARED,
        **dict(SMALL, tie_word_embeddings=True, num_key_value_heads=1),
        head_dim=16,
        hidden_activation="gelu_pytorch_tanh",
    ),
    # Every other layer sees 8 tokens; scores and logits are capped.
    "gemma2": transformers.Gemma2Config(
        **SHARED,
        **dict(SMALL, tie_word_embeddings=True),
        head_dim=8,
        query_pre_attn_scalar=8,
        sliding_window=8,
        attn_logit_softcapping=2.0,
        final_logit_softcapping=5.0,
    ),
    "qwen3": transformers.Qwen3Config(**SHARED, **SMALL, head_dim=16),
    "olmo2": transformers.Olmo2Config(**SHARED, **SMALL),
    "granite": transformers.GraniteConfig(**SHARED, **SMALL, **GRANITE),
    # The last of four layers knows no positions.
    "smollm3": transformers.SmolLM3Config(**SHARED, **dict(SMALL, num_hidden_layers=4)),
    # All layers see 8 tokens.
    "mistral": transformers.MistralConfig(**SHARED, **SMALL, sliding_window=8),
    "stablelm": transformers.StableLmConfig(
        **LAYER_NORM, **SMALL, use_qkv_bias=True, partial_rotary_factor=0.25
    ),
    "starcoder2": transformers.Starcoder2Config(
        **TOKENS,
        **SMALL,
        max_position_embeddings=N_CTX,
        norm_epsilon=1e-5,
        use_bias=True,
        sliding_window=8,
    ),
    "phi2": transformers.PhiConfig(
        **LAYER_NORM, **dict(SMALL, num_key_value_heads=4), partial_rotary_factor=0.5
    ),
    "phi3": transformers.Phi3Config(**SHARED, **SMALL, sliding_window=None),
    # The text is longer than 64 positions, and shorter.
    "phi3-longrope": transformers.Phi3Config(
        **SHARED,
        **SMALL,
        sliding_window=None,
        original_max_position_embeddings=64,
        rope_parameters=dict(LONG_ROPE, rope_type="longrope"),
    ),
    "phi3-longrope-short": transformers.Phi3Config(
        **SHARED,
        **SMALL,
        sliding_window=None,
        original_max_position_embeddings=64,
        rope_parameters=dict(LONG_ROPE, rope_type="longrope"),
    ),
    "glm4": transformers.Glm4Config(
        **SHARED, **SMALL, head_dim=8, partial_rotary_factor=0.5, attention_bias=True
    ),
    "command-r": transformers.CohereConfig(
        **LAYER_NORM, **dict(SMALL, tie_word_embeddings=True), logit_scale=0.25
    ),
    # One layer of four sees all, and rotates nothing.
    "cohere2": transformers.Cohere2Config(
        **LAYER_NORM,
        **dict(SMALL, num_hidden_layers=4, tie_word_embeddings=True),
        logit_scale=0.25,
        sliding_window=8,
    ),
    "nemotron": transformers.NemotronConfig(
        **TOKENS,
        **SMALL,
        max_position_embeddings=N_CTX,
        norm_eps=1e-5,
        partial_rotary_factor=0.5,
    ),
    "gpt2": transformers.GPT2Config(
        **TOKENS, n_positions=N_CTX, n_embd=32, n_layer=2, n_head=4
    ),
    "gptneox": transformers.GPTNeoXConfig(
        **LAYER_NORM,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        rotary_pct=0.25,
    ),
    # The same one after the other.
    "gptneox-serial": transformers.GPTNeoXConfig(
        **LAYER_NORM,
        hidden_size=32,
        intermediate_size=40,
        num_hidden_layers=1,
        num_attention_heads=4,
        rotary_pct=1.0,
        use_parallel_residual=False,
    ),
    "gptj": transformers.GPTJConfig(
        **TOKENS,
        n_positions=N_CTX,
        n_embd=32,
        n_layer=2,
        n_head=2,
        rotary_dim=8,
        tie_word_embeddings=False,
    ),
    # Three heads: no power of two.
    "bloom": transformers.BloomConfig(**TOKENS, hidden_size=48, n_layer=2, n_head=3),
    "mpt": transformers.MptConfig(
        **TOKENS,
        d_model=32,
        n_heads=4,
        n_layers=2,
        max_seq_len=N_CTX,
        attn_config=dict(clip_qkv=1.5),
    ),
    "falcon": transformers.FalconConfig(
        **TOKENS,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        multi_query=True,
        parallel_attn=True,
        bias=False,
        alibi=False,
    ),
    # Two kv heads, and a norm for each block.
    "falcon-two-norms": transformers.FalconConfig(
        **TOKENS,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_kv_heads=2,
        new_decoder_architecture=True,
    ),
    "falcon-one-norm": transformers.FalconConfig(
        **TOKENS,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_kv_heads=2,
        new_decoder_architecture=True,
        num_ln_in_parallel_attn=1,
    ),
    # The text is short enough that the reference's bfloat16 slopes are exact.
    "falcon-alibi": transformers.FalconConfig(
        **TOKENS,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        multi_query=False,
        parallel_attn=False,
        bias=True,
        alibi=True,
    ),
    "opt": transformers.OPTConfig(
        **TOKENS,
        max_position_embeddings=N_CTX,
        hidden_size=32,
        ffn_dim=40,
        num_hidden_layers=2,
        num_attention_heads=4,
        word_embed_proj_dim=32,
        dropout=0.0,
    ),
    "chatglm": transformers.GlmConfig(
        **SHARED, **SMALL, head_dim=8, partial_rotary_factor=0.5, attention_bias=True
    ),
    "seed_oss": transformers.SeedOssConfig(**SHARED, **SMALL, head_dim=16, attention_bias=True),
    "ernie4_5": transformers.Ernie4_5Config(**SHARED, **SMALL, head_dim=16),
    "arcee": transformers.ArceeConfig(**SHARED, **SMALL),
    "olmo": transformers.OlmoConfig(
        **TOKENS, **SMALL, max_position_embeddings=N_CTX, clip_qkv=1.0
    ),
    "olmo3": transformers.Olmo3Config(
        **SHARED, **dict(SMALL, num_hidden_layers=4), sliding_window=8, rope_parameters=OLMO3_ROPE
    ),
    "olmo2-windows": transformers.Olmo3Config(
        **SHARED, **dict(SMALL, num_hidden_layers=4), sliding_window=8, rope_parameters=OLMO3_ROPE
    ),
    # Layers with a window rotate, the last one does not.
    "exaone4": transformers.Exaone4Config(
        **SHARED, **dict(SMALL, num_hidden_layers=4), sliding_window=8, rope_theta=10000.0
    ),
    # Without windows all rotate.
    "exaone4-full": transformers.Exaone4Config(
        **SHARED,
        **dict(SMALL, num_hidden_layers=1),
        sliding_window=None,
        layer_types=["full_attention"],
        rope_parameters=dict(LLAMA3_ROPE),
    ),
    "mistral3": transformers.Ministral3Config(
        **SHARED,
        **SMALL,
        head_dim=16,
        rope_parameters=dict(YARN, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.1),
    ),
    "hunyuan-dense": transformers.HunYuanDenseV1Config(
        **SHARED,
        **SMALL,
        head_dim=16,
        rope_parameters=dict(rope_type="dynamic", rope_theta=10000.0, alpha=1000.0, factor=1.0),
    ),
    # What these do with text.
    "qwen2vl": transformers.Qwen2VLConfig(
        text_config=dict(
            **SHARED,
            **SMALL,
            rope_parameters=dict(
                rope_type="default", rope_theta=10000.0, mrope_section=[2, 1, 1]
            ),
        ),
        vision_config=dict(depth=1, embed_dim=8, hidden_size=32, num_heads=1),
        tie_word_embeddings=False,
    ),
    "qwen3vl": transformers.Qwen3VLConfig(
        text_config=dict(
            **SHARED,
            **SMALL,
            head_dim=16,
            rope_parameters=dict(
                rope_type="default",
                rope_theta=10000.0,
                mrope_section=[4, 2, 2],
                mrope_interleaved=True,
            ),
        ),
        vision_config=dict(
            depth=1, hidden_size=8, intermediate_size=8, num_heads=1, out_hidden_size=32,
            deepstack_visual_indexes=[0],
        ),
        tie_word_embeddings=False,
    ),
    # Numbers of the text in a part of their own, and names that begin with it.
    "gemma3-eyes": transformers.Gemma3Config(
        text_config=dict(
            **SHARED,
            **dict(SMALL, tie_word_embeddings=True),
            head_dim=16,
            query_pre_attn_scalar=16,
            sliding_window=8,
            rope_theta=1000000.0,
            rope_local_base_freq=10000.0,
        ),
        vision_config=dict(
            hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
            image_size=8, patch_size=4,
        ),
        mm_tokens_per_image=4,
    ),
    # These two have no class in the library: they are Llama, renamed.
    "exaone": transformers.LlamaConfig(**SHARED, **SMALL),
    "internlm2": transformers.LlamaConfig(**SHARED, **SMALL),
    "starcoder": transformers.GPTBigCodeConfig(
        **TOKENS, n_positions=N_CTX, n_embd=32, n_layer=2, n_head=4
    ),
    "starcoder-heads": transformers.GPTBigCodeConfig(
        **TOKENS, n_positions=N_CTX, n_embd=32, n_layer=1, n_head=4, multi_query=False
    ),
    "codegen": transformers.CodeGenConfig(
        **TOKENS, n_positions=N_CTX, n_embd=48, n_layer=2, n_head=4, rotary_dim=8
    ),
    "xglm": transformers.XGLMConfig(
        **TOKENS,
        max_position_embeddings=N_CTX,
        d_model=32,
        ffn_dim=40,
        num_layers=2,
        attention_heads=4,
        dropout=0.0,
    ),
    "mixtral": transformers.MixtralConfig(
        **SHARED,
        **dict(SMALL, num_hidden_layers=1),
        num_local_experts=4,
        num_experts_per_tok=2,
        sliding_window=8,
    ),
    "llama-experts": transformers.MixtralConfig(
        **SHARED, **SMALL, num_local_experts=4, num_experts_per_tok=2
    ),
    # Weights of the chosen experts do not sum to one; one expert is shared.
    "qwen2moe": transformers.Qwen2MoeConfig(
        **SHARED,
        **SMALL,
        num_experts=6,
        num_experts_per_tok=2,
        moe_intermediate_size=24,
        shared_expert_intermediate_size=32,
        qkv_bias=True,
    ),
    "qwen3moe": transformers.Qwen3MoeConfig(
        **SHARED,
        **SMALL,
        head_dim=16,
        num_experts=6,
        num_experts_per_tok=3,
        moe_intermediate_size=24,
        norm_topk_prob=True,
    ),
    # Experts in the last layer only: every second has some, but for one that is named.
    "qwen3moe-dense": transformers.Qwen3MoeConfig(
        **SHARED,
        **dict(SMALL, num_hidden_layers=4),
        head_dim=16,
        num_experts=6,
        num_experts_per_tok=3,
        moe_intermediate_size=24,
        decoder_sparse_step=2,
        mlp_only_layers=[1],
    ),
    # Experts are chosen with a bias.
    "dots1": transformers.Dots1Config(
        **SHARED, **SMALL, **GROUPED, first_k_dense_replace=1, norm_topk_prob=False
    ),
    "glm4moe": transformers.Glm4MoeConfig(
        **SHARED,
        **SMALL,
        **dict(GROUPED, n_group=1, topk_group=1),
        head_dim=16,
        partial_rotary_factor=0.5,
        attention_bias=True,
        first_k_dense_replace=1,
    ),
    "glm4moe-qk-norm": transformers.Glm4MoeConfig(
        **SHARED,
        **dict(SMALL, num_hidden_layers=1),
        **GROUPED,
        head_dim=16,
        partial_rotary_factor=0.5,
        attention_bias=True,
        use_qk_norm=True,
        first_k_dense_replace=0,
    ),
    "granitemoe": transformers.GraniteMoeConfig(
        **SHARED, **SMALL, **GRANITE, num_local_experts=4, num_experts_per_tok=2
    ),
    # The whole of one more expert is added.
    "granitemoe-shared": transformers.GraniteMoeSharedConfig(
        **SHARED,
        **SMALL,
        **GRANITE,
        num_local_experts=4,
        num_experts_per_tok=2,
        shared_intermediate_size=24,
    ),
    # Queries are products of the residual; the best of the best groups of experts are taken.
    "deepseek2": transformers.DeepseekV2Config(
        **SHARED,
        **DEEPSEEK,
        **GROUPED,
        first_k_dense_replace=1,
        q_lora_rank=None,
        topk_method="group_limited_greedy",
        rope_parameters=dict(YARN, mscale=0.707, mscale_all_dim=0.707),
    ),
    # Norms of latent vectors have an epsilon of their own, which differs enough to be seen. GGUF
    # holds what makes keys apart from what makes values.
    "deepseek2-v3": transformers.DeepseekV3Config(
        **dict(SHARED, rms_norm_eps=1e-3),
        **DEEPSEEK,
        **GROUPED,
        first_k_dense_replace=1,
        norm_topk_prob=True,
        q_lora_rank=24,
        rope_parameters=dict(YARN, mscale=1.0, mscale_all_dim=1.0),
    ),
    # Layers with experts are listed, and there are no groups.
    "deepseek3": transformers.Glm4MoeLiteConfig(
        **SHARED,
        **DEEPSEEK,
        **dict(GROUPED, n_group=1, topk_group=1, n_shared_experts=1),
        mlp_layer_types=["dense", "sparse"],
        q_lora_rank=24,
        rope_parameters=dict(rope_type="default", rope_theta=10000.0),
    ),
    # All widths of queries, keys and values differ. What is cached of a token is narrower than the
    # keys and values of its heads.
    "minicpm3": transformers.MiniCPM3Config(
        **SHARED, **MINICPM3, tie_word_embeddings=True, rope_theta=10000.0
    ),
    "minicpm3-longrope": transformers.MiniCPM3Config(
        **SHARED,
        **dict(MINICPM3, num_hidden_layers=1),
        tie_word_embeddings=False,
        original_max_position_embeddings=64,
        rope_parameters=dict(LATENT_LONG_ROPE, rope_type="longrope"),
    ),
    # Every other layer sees 8 tokens; what goes into experts is large enough to be clamped.
    "gpt-oss": transformers.GptOssConfig(
        **SHARED,
        **SMALL,
        head_dim=16,
        num_local_experts=4,
        num_experts_per_tok=2,
        sliding_window=8,
        layer_types=["sliding_attention", "full_attention"],
        rope_parameters=dict(YARN, rope_theta=150000.0, truncate=False),
    ),
    "gpt-oss-mxfp4": transformers.GptOssConfig(
        **SHARED,
        **dict(BLOCKS, num_hidden_layers=2),
        head_dim=16,
        num_local_experts=4,
        num_experts_per_tok=2,
        sliding_window=8,
        layer_types=["sliding_attention", "full_attention"],
        rope_parameters=dict(YARN, rope_theta=150000.0, truncate=False),
    ),
    "olmoe": transformers.OlmoeConfig(**SHARED, **SMALL, num_experts=4, num_experts_per_tok=2),
    "llama-fp8": transformers.LlamaConfig(**SHARED, **BLOCKS),
    "qwen2-fp8": transformers.Qwen2Config(**SHARED, **BLOCKS),
    "qwen3-fp8": transformers.Qwen3Config(**SHARED, **BLOCKS, head_dim=16),
    "llama-packed": transformers.LlamaConfig(**SHARED, **BLOCKS),
    "phi3-packed": transformers.Phi3Config(**SHARED, **BLOCKS, sliding_window=None),
    "qwen3-packed": transformers.Qwen3Config(**SHARED, **BLOCKS, head_dim=16),
    "llama-gptq": transformers.LlamaConfig(**SHARED, **BLOCKS),
    "llama-gptq8": transformers.LlamaConfig(**SHARED, **BLOCKS),
    "phi3-gptq": transformers.Phi3Config(**SHARED, **BLOCKS, sliding_window=None),
    "qwen2-gptq": transformers.Qwen2Config(**SHARED, **BLOCKS),
    "qwen3-awq": transformers.Qwen3Config(**SHARED, **BLOCKS, head_dim=16),
}

# GGUF has no name of its own for these: only the Hugging Face folder is written.
ONLY_HUGGING_FACE = {
    "codegen",
    "deepseek3",
    "falcon-alibi",
    "gemma3-eyes",
    "llama-dynamic",
    "mistral",
    "mixtral",
    "olmo3",
    "opt",
    "qwen3moe-dense",
    "starcoder-heads",
    "xglm",
    *(tiny_quantized.METHODS.keys() - {"gpt-oss-mxfp4"}),
}
# q and k rows are permuted in GGUF, so that pairs are neighbours.
PERMUTED = {"arcee", "granite", "granitemoe", "internlm2", "llama", "mistral3", "olmo", "smollm3"}
# Heads look at latent vectors.
LATENT = {"deepseek2", "minicpm3"}
# Of these, GGUF holds the matrices as they are absorbed.
ABSORBED = {"deepseek2-v3"}
# The gain is 1 + w; llama.cpp's converter adds the one.
PLUS_ONE = {"gemma", "gemma2", "gemma3", "nemotron"}


VOCABULARIES = {"unigram": tiny_unigram, "wordpiece": tiny_wordpiece}
ENCODERS = {name: module for module in (tiny_t5, tiny_bert) for name in module.CASES}


def main():
    for name in sys.argv[1:] or [*CASES, *ENCODERS, *VOCABULARIES]:
        if name in VOCABULARIES:
            VOCABULARIES[name].write(HERE / name)
            continue
        if name in ENCODERS:
            ENCODERS[name].write(name, HERE / name)
            continue
        config = CASES[name]
        # By name, so that a new case changes no other.
        torch.manual_seed(FIRST_SEEDS.get(name) or zlib.crc32(name.encode()))
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        write_hugging_face(config, folder / "hf")
        model = load(folder / "hf")
        if name in tiny_quantized.METHODS:
            model.load_state_dict(tiny_quantized.quantize(folder / "hf", name), strict=False)
        if name not in ONLY_HUGGING_FACE:
            write_gguf(model, name, folder / "model.gguf")
        if name == "falcon-alibi":
            halve_alibi(model, load(folder / "hf", "sdpa"))
        write_expected(model, folder, FIRST_POS.get(name, 0))
        if name in RENAMED:
            rename(folder / "hf", *RENAMED[name])
        print(f"{name}: {sum(f.stat().st_size for f in folder.rglob('*.*'))} bytes")


def write_hugging_face(config, folder):
    """Random weights, written as checkpoints are published: bfloat16, `config.json` in the form
    that most published files still have."""
    model = auto_class(config).from_config(config, attn_implementation="eager")
    modules = dict(model.named_modules())
    # A tied matrix comes once.
    for name, parameter in model.named_parameters():
        module = modules[name.rpartition(".")[0]]
        parameter.data = random_weights(module, name, parameter.shape, config)
    for name, buffer in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            buffer.copy_(0.3 * torch.randn(buffer.shape))
    with tempfile.TemporaryDirectory() as temporary:
        model.to(torch.bfloat16).save_pretrained(temporary)
        folder.mkdir()
        # save_pretrained makes its files private to their owner.
        (folder / "model.safetensors").write_bytes(
            (pathlib.Path(temporary) / "model.safetensors").read_bytes()
        )
        saved = json.loads((pathlib.Path(temporary) / "config.json").read_text())
    write_json(folder / "config.json", published_form(saved))
    write_json(folder / "tokenizer.json", tiny_tokenizer.hugging_face())
    write_json(folder / "tokenizer_config.json", tiny_tokenizer.hugging_face_config())


def auto_class(config):
    has_eyes = hasattr(config, "vision_config")
    return AutoModelForImageTextToText if has_eyes else AutoModelForCausalLM


def text_config(model):
    return getattr(model.config, "text_config", model.config)


def random_weights(module, name, shape, config):
    """Large enough that activations stay of order one and attention is far from uniform."""
    noise = torch.randn(shape)
    if "norm" in type(module).__name__.lower():
        if name.endswith("bias"):
            return 0.3 * noise
        plus_one = config.model_type.removesuffix("_text") in PLUS_ONE
        return 0.3 * noise if plus_one else 1.0 + 0.3 * noise
    if name.endswith("bias"):
        return (0.5 if config.model_type == "qwen2" else 0.3) * noise
    if name.endswith("sinks"):
        return noise
    if type(module).__name__ == "GptOssExperts" and not name.endswith("bias"):
        return (4.0 if "gate_up" in name else 1.0) / math.sqrt(shape[-2]) * noise
    if isinstance(module, torch.nn.Embedding) or "lm_head" in name or "embed_out" in name:
        return 0.5 * noise
    gain = 2.0 if any(part in name for part in ["q_proj", "k_proj", "qkv", "query"]) else 1.0
    # Conv1D keeps its inputs first.
    n_in = shape[0] if type(module).__name__ == "Conv1D" else shape[-1]
    return gain / math.sqrt(n_in) * noise


def published_form(config):
    """RoPE as top-level keys, except for qwen2, whose file keeps the newer `rope_parameters`."""
    config.pop("transformers_version", None)
    if config["model_type"] == "qwen2" or "rope_parameters" not in config:
        return config
    rope = config.pop("rope_parameters")
    if "full_attention" in rope:
        if config["model_type"].startswith("gemma3"):
            config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        rope = rope["full_attention"]
        # Published files leave the kinds of layers to the reader.
        config.pop("layer_types")
        config.pop("_sliding_window_pattern", None)
    is_neox = config["model_type"] == "gpt_neox"
    config["rotary_emb_base" if is_neox else "rope_theta"] = rope.pop("rope_theta")
    if "partial_rotary_factor" in rope:
        share = rope.pop("partial_rotary_factor")
        config["rotary_pct" if is_neox else "partial_rotary_factor"] = share
    config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    return dict(sorted(config.items()))


def exaone_config(config):
    config["num_layers"] = config.pop("num_hidden_layers")
    config["layer_norm_epsilon"] = config.pop("rms_norm_eps")
    config["activation_function"] = config.pop("hidden_act")
    return config | dict(architectures=["ExaoneForCausalLM"], model_type="exaone")


def exaone_tensors(tensors, _config):
    names = {
        "model.embed_tokens": "transformer.wte",
        "model.norm": "transformer.ln_f",
        "model.layers.": "transformer.h.",
        "input_layernorm": "ln_1",
        "post_attention_layernorm": "ln_2",
        "self_attn": "attn.attention",
        "o_proj": "out_proj",
        "gate_proj": "c_fc_0",
        "up_proj": "c_fc_1",
        "down_proj": "c_proj",
    }
    return {replaced(name, names): tensor for name, tensor in tensors.items()}


def internlm2_config(config):
    return config | dict(architectures=["InternLM2ForCausalLM"], model_type="internlm2", bias=False)


def internlm2_tensors(tensors, config):
    names = {
        "model.embed_tokens": "model.tok_embeddings",
        "lm_head": "output",
        "input_layernorm": "attention_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.o_proj": "attention.wo",
        "mlp.gate_proj": "feed_forward.w1",
        "mlp.down_proj": "feed_forward.w2",
        "mlp.up_proj": "feed_forward.w3",
    }
    n_kv, d_model = config["num_key_value_heads"], config["hidden_size"]
    for layer in range(config["num_hidden_layers"]):
        stem = f"model.layers.{layer}"
        # Kv head by kv head: its q heads, its k, its v.
        parts = [tensors.pop(f"{stem}.self_attn.{part}_proj.weight") for part in "qkv"]
        heads = [part.reshape(n_kv, -1, d_model) for part in parts]
        joined = torch.cat(heads, dim=1).reshape(-1, d_model)
        tensors[f"{stem}.attention.wqkv.weight"] = joined.contiguous()
    return {replaced(name, names): tensor for name, tensor in tensors.items()}


def text_of_vl_config(config):
    """Numbers of text and vision side by side, as published folders of Qwen2-VL have them."""
    text = config["text_config"]
    rope = text.pop("rope_parameters")
    text["rope_theta"] = rope.pop("rope_theta")
    text["rope_scaling"] = rope | dict(rope_type="default", type="mrope")
    kept = ("architectures", "model_type", "tie_word_embeddings", "vision_config")
    return text | {key: config[key] for key in kept}


def text_of_vl_tensors(tensors, _config):
    names = {"model.language_model.": "model.", "model.visual.": "visual."}
    return {replaced(name, names): tensor for name, tensor in tensors.items()}


# How the authors' own code, which published folders carry, names what is Llama; and the first form
# of folders of Qwen2-VL.
RENAMED = {
    "exaone": (exaone_config, exaone_tensors),
    "internlm2": (internlm2_config, internlm2_tensors),
    "qwen2vl": (text_of_vl_config, text_of_vl_tensors),
}


def replaced(name, names):
    for ours, theirs in names.items():
        name = name.replace(ours, theirs)
    return name


def rename(folder, config_of, tensors_of):
    config = json.loads((folder / "config.json").read_text())
    path = folder / "model.safetensors"
    path.write_bytes(save(tensors_of(load_file(path), config)))
    write_json(folder / "config.json", config_of(config))


def load(folder, attention="eager"):
    """What the tests are about: the file as written, computed in float32."""
    model = auto_class(AutoConfig.from_pretrained(folder)).from_pretrained(
        folder, dtype=torch.float32, attn_implementation=attention
    )
    return model.eval()


def architecture_of(case):
    """`command-r` has a dash, and so have variants: `architecture-variant`."""
    while case not in gguf.MODEL_ARCH_NAMES.values():
        case = case.rsplit("-", 1)[0]
    return case


def write_gguf(model, case, path):
    """The same numbers as float32, by the conventions of llama.cpp's converter."""
    config = text_config(model)
    architecture = architecture_of(case)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(f"tiny random {case}")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    tensors = gguf_tensors(model, architecture)
    if case in ABSORBED:
        absorb(tensors, config)
    add_numbers(writer, config, architecture, tensors)
    tiny_tokenizer.add_to_gguf(writer)
    rope = rope_of(config)
    if rope.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(rope, head_dim(config)))
    if rope.get("rope_type") == "longrope":
        for length in ("short", "long"):
            factors = np.array(rope[f"{length}_factor"], dtype=np.float32)
            writer.add_tensor(f"rope_factors_{length}.weight", factors)
    for name, weights in tensors.items():
        weights = np.ascontiguousarray(weights)
        if case == "gpt-oss-mxfp4" and name.endswith("_exps.weight"):
            kind = gguf.GGMLQuantizationType.MXFP4
            blocks = gguf.quants.quantize(weights, kind)
            assert (gguf.quants.dequantize(blocks, kind) == weights).all(), name
            writer.add_tensor(name, blocks, raw_dtype=kind)
            continue
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_numbers(writer, config, architecture, tensors):
    n_heads = config.num_attention_heads
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(N_CTX)
    writer.add_embedding_length(config.hidden_size)
    joins_gate = architecture in ("phi3", "glm4", "chatglm")
    if "blk.0.ffn_up.weight" in tensors:
        writer.add_feed_forward_length(len(tensors["blk.0.ffn_up.weight"]) // (1 + joins_gate))
    else:
        writer.add_feed_forward_length(config.intermediate_size)
    if any("ffn_gate_inp" in name for name in tensors):
        add_experts(writer, config)
    writer.add_head_count(n_heads)
    writer.add_head_count_kv(1 if "blk.0.attn_k_b.weight" in tensors else n_kv_heads(config))
    eps = [getattr(config, name, None) for name in ("rms_norm_eps", *LAYER_NORM_EPS)]
    is_layer_norm = any(getattr(config, name, None) for name in LAYER_NORM_EPS)
    if architecture == "olmo":
        is_layer_norm, eps = True, [1e-5]
    eps = next(value for value in eps if value is not None)
    (writer.add_layer_norm_eps if is_layer_norm else writer.add_layer_norm_rms_eps)(eps)
    # Written only where it is not d_model / n_heads.
    if hasattr(config, "kv_lora_rank"):
        add_latent(writer, config, "blk.0.attn_k_b.weight" in tensors)
    elif head_dim(config) * n_heads != config.hidden_size:
        writer.add_key_length(head_dim(config))
        writer.add_value_length(head_dim(config))
    rope = rope_of(config)
    if "mrope_section" in rope:
        writer.add_rope_dimension_sections([*rope["mrope_section"], 0])
    if "rope_theta" in rope:
        d = head_dim(config)
        stretch = rope.get("alpha", 1.0) ** (d / (d - 2))
        writer.add_rope_freq_base(rope["rope_theta"] * stretch)
    if rope.get("rope_type") in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(rope["rope_type"]))
        writer.add_rope_scaling_factor(rope["factor"])
    if rope.get("rope_type") == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        writer.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
        writer.add_rope_scaling_yarn_beta_slow(rope["beta_slow"])
    if "mscale_all_dim" in rope:
        unit = 0.1 if architecture in LATENT else 1.0
        writer.add_rope_scaling_yarn_log_mul(unit * rope["mscale_all_dim"])
    if "llama_4_scaling_beta" in rope:
        writer.add_attn_temperature_scale(rope["llama_4_scaling_beta"])
    if rope.get("rope_type") == "longrope":
        original = rope["original_max_position_embeddings"]
        magnitude = math.sqrt(1 + math.log(N_CTX / original) / math.log(original))
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(magnitude)
    share = rope.get("partial_rotary_factor", 1.0)
    rope_dim = getattr(config, "rotary_dim", None) or int(head_dim(config) * share)
    if architecture in ("llama", *LATENT) or rope_dim != head_dim(config):
        writer.add_rope_dimension_count(rope_dim)
    if architecture == "llama":
        writer.add_vocab_size(config.vocab_size)
    if architecture in ("gemma2", "gemma3", "cohere2", "starcoder2", "gpt-oss"):
        writer.add_sliding_window(config.sliding_window)
    if architecture in ("exaone4", "olmo2") and getattr(config, "sliding_window", None):
        kinds = [kind == "sliding_attention" for kind in config.layer_types]
        writer.add_sliding_window(config.sliding_window)
        writer.add_sliding_window_pattern(kinds)
    if architecture == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if architecture in ("granite", "granitemoe"):
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)
    if architecture in ("command-r", "cohere2"):
        writer.add_logit_scale(config.logit_scale)
    if architecture in ("gptneox", "stablelm"):
        writer.add_parallel_residual(config.use_parallel_residual)
    if architecture == "mpt":
        writer.add_clamp_kqv(config.attn_config.clip_qkv)
        writer.add_max_alibi_bias(config.attn_config.alibi_bias_max)
    if architecture == "olmo":
        writer.add_clamp_kqv(config.clip_qkv)


def add_latent(writer, config, is_absorbed):
    if config.q_lora_rank:
        writer.add_q_lora_rank(config.q_lora_rank)
    writer.add_kv_lora_rank(config.kv_lora_rank)
    key, value = config.qk_nope_head_dim + config.qk_rope_head_dim, config.v_head_dim
    if is_absorbed:
        writer.add_key_length_mla(key)
        writer.add_value_length_mla(value)
        key, value = config.kv_lora_rank + config.qk_rope_head_dim, config.kv_lora_rank
    writer.add_key_length(key)
    writer.add_value_length(value)


def absorb(tensors, config):
    """Head by head the rows of keys, transposed, and those of values."""
    for name in [name for name in tensors if "attn_kv_b" in name]:
        heads = tensors.pop(name).reshape(config.num_attention_heads, -1, config.kv_lora_rank)
        keys, values = np.split(heads, [config.qk_nope_head_dim], axis=1)
        tensors[name.replace("kv_b", "k_b")] = keys.swapaxes(1, 2)
        tensors[name.replace("kv_b", "v_b")] = values


def add_experts(writer, config):
    n_experts = getattr(config, "num_local_experts", None) or config.num_experts
    writer.add_expert_count(n_experts)
    writer.add_expert_used_count(config.num_experts_per_tok)
    if hasattr(config, "moe_intermediate_size"):
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    if hasattr(config, "n_group"):
        kinds = gguf.ExpertGatingFuncType
        kind = kinds.SOFTMAX if config.model_type == "deepseek_v2" else kinds.SIGMOID
        writer.add_leading_dense_block_count(config.first_k_dense_replace)
        writer.add_expert_shared_count(config.n_shared_experts)
        writer.add_expert_group_count(config.n_group)
        writer.add_expert_group_used_count(config.topk_group)
        writer.add_expert_gating_func(kind)
        writer.add_expert_weights_norm(config.norm_topk_prob)
        writer.add_expert_weights_scale(config.routed_scaling_factor)
    if hasattr(config, "shared_intermediate_size"):
        writer.add_expert_shared_feed_forward_length(config.shared_intermediate_size)
    if hasattr(config, "shared_expert_intermediate_size"):
        writer.add_expert_shared_feed_forward_length(config.shared_expert_intermediate_size)


LAYER_NORM_EPS = ("layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps")


def rope_of(config):
    rope = getattr(config, "rope_parameters", None) or {}
    return rope.get("full_attention", rope)


def head_dim(config):
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def n_kv_heads(config):
    if getattr(config, "new_decoder_architecture", False):
        return config.num_kv_heads
    if getattr(config, "multi_query", False):
        return 1
    return getattr(config, "num_key_value_heads", None) or config.num_attention_heads


def llama3_factors(rope, rope_dim):
    """What each frequency is divided by (Llama 3.1), float32, `[rope_dim / 2]`."""
    n_ctx = rope["original_max_position_embeddings"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    factors = []
    for i in range(rope_dim // 2):
        wavelength = 2 * math.pi * rope["rope_theta"] ** (2 * i / rope_dim)
        # 0 where the frequency is divided by the whole factor, 1 where it is kept.
        kept = min(max((n_ctx / wavelength - low) / (high - low), 0.0), 1.0)
        factors.append(1.0 / ((1.0 - kept) / rope["factor"] + kept))
    return np.array(factors, dtype=np.float32)


def gguf_tensors(model, architecture):
    """Weights by GGUF's names."""
    config = text_config(model)
    kind = next(kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(kind, config.num_hidden_layers)
    is_tied = config.tie_word_embeddings
    conv1d = {
        name for name, module in model.named_modules() if type(module).__name__ == "Conv1D"
    }
    tensors = {}
    for name, weights in model.state_dict().items():
        if name.startswith("model.visual."):
            continue
        name = name.replace("model.language_model.", "model.")
        if is_tied and name in ("lm_head.weight", "embed_out.weight"):
            continue
        module, _, part = name.rpartition(".")
        weights = weights.numpy()
        if module in conv1d and part == "weight":
            weights = weights.T
        if ".shared_mlp." in name:
            prefix = f"blk.{name.split('.')[2]}"
            if "output_linear" in name:
                tensors[f"{prefix}.ffn_down_shexp.weight"] = weights
            else:
                gate, up = np.split(weights, 2)
                tensors[f"{prefix}.ffn_gate_shexp.weight"] = gate
                tensors[f"{prefix}.ffn_up_shexp.weight"] = up
            continue
        if name.endswith("block_sparse_moe.router.weight"):
            tensors[f"blk.{name.split('.')[2]}.ffn_gate_inp.weight"] = weights
            continue
        if part == "sinks":
            tensors[f"blk.{name.split('.')[2]}.attn_sinks.weight"] = weights
            continue
        if ".mlp.experts." in name and architecture == "gpt-oss":
            prefix, kind = f"blk.{name.split('.')[2]}", "bias" if "bias" in part else "weight"
            # Columns become rows; gate and up alternate.
            weights = weights if kind == "bias" else weights.swapaxes(1, 2)
            if "down_proj" in part:
                tensors[f"{prefix}.ffn_down_exps.{kind}"] = weights
            else:
                tensors[f"{prefix}.ffn_gate_exps.{kind}"] = weights[:, ::2]
                tensors[f"{prefix}.ffn_up_exps.{kind}"] = weights[:, 1::2]
            continue
        if ".mlp.experts." in name or ".block_sparse_moe.experts." in name:
            prefix = f"blk.{name.split('.')[2]}"
            if name.endswith("down_proj"):
                tensors[f"{prefix}.ffn_down_exps.weight"] = weights
            else:
                gate, up = np.split(weights, 2, axis=1)
                tensors[f"{prefix}.ffn_gate_exps.weight"] = gate
                tensors[f"{prefix}.ffn_up_exps.weight"] = up
            continue
        if part == "e_score_correction_bias":
            tensors[f"blk.{name.split('.')[2]}.exp_probs_b.bias"] = weights
            continue
        # The map knows them without their prefix.
        known = module.removeprefix("transformer.") if architecture == "bloom" else module
        gguf_name = names.get_name(known)
        assert gguf_name is not None, name
        tensors[f"{gguf_name}.{part}"] = gguf_weights(name, weights, config, architecture)
    return tensors


def gguf_weights(name, weights, config, architecture):
    n_heads, d = config.num_attention_heads, head_dim(config)
    if architecture in PERMUTED and ("q_proj" in name or "k_proj" in name):
        n = n_heads if "q_proj" in name else n_kv_heads(config)
        # Pairs (i, i + head_dim / 2) become neighbours (2i, 2i + 1).
        heads = weights.reshape(n, 2, d // 2, -1)
        return heads.swapaxes(1, 2).reshape(weights.shape)
    if architecture in ("bloom", "gptneox") and "query_key_value" in name:
        # Head by head becomes all of q, then all of k, then all of v.
        heads = weights.reshape(n_heads, 3, d, -1)
        return heads.swapaxes(0, 1).reshape(weights.shape)
    if architecture == "falcon" and "query_key_value" in name:
        # The same by kv head.
        n = n_kv_heads(config)
        heads = weights.reshape(n, n_heads // n + 2, d, -1)
        parts = [heads[:, :-2], heads[:, -2:-1], heads[:, -1:]]
        return np.concatenate([part.reshape(-1, weights.shape[-1]) for part in parts])
    if architecture in PLUS_ONE and "norm" in name and name.endswith("weight"):
        gain = np.float32(1.0) + weights
        if architecture == "gemma3" and "q_norm" in name:
            # Readers scale scores by head_dim^-0.5; GGUF has no key for another scalar.
            gain *= np.float32(math.sqrt(config.head_dim / config.query_pre_attn_scalar))
        return gain
    return weights


def write_expected(model, folder, first_pos):
    ids = tiny_tokenizer.encode(TEXT)
    if first_pos:
        rotate_exactly(model, first_pos + len(ids))
    seen = {}

    def keep(name):
        def hook(_module, _inputs, output):
            output = output[0] if isinstance(output, tuple) else output
            seen[name] = output[0].clone().contiguous()

        return hook

    decoder, layers, norm = parts_of(model)
    # The input of layer 0 is the embedding as the layers see it: Gemma's is scaled.
    layers[0].register_forward_pre_hook(
        lambda _module, inputs: seen.update(embedding=inputs[0][0].clone().contiguous())
    )
    for layer_idx, layer in enumerate(layers):
        layer.register_forward_hook(keep(f"layer.{layer_idx}"))
    norm.register_forward_hook(keep("output_norm"))
    with torch.no_grad():
        positions = torch.arange(first_pos, first_pos + len(ids))[None]
        result = model(
            torch.tensor([ids]),
            position_ids=positions if first_pos else None,
            output_attentions=True,
            use_cache=False,
        )
    seen["logits"] = result.logits[0].contiguous()
    for layer_idx, weights in enumerate(result.attentions):
        seen[f"attention.{layer_idx}"] = weights[0].contiguous()
    assert all(torch.isfinite(values).all() for values in seen.values())
    save_file(seen, folder / "expected.safetensors")
    # save_file makes its file private to its owner.
    (folder / "expected.safetensors").chmod(0o644)
    expected = {"text": TEXT, "token_ids": ids}
    if first_pos:
        expected["first_pos"] = first_pos
    write_json(folder / "expected.json", expected)


def rotate_exactly(model, n_ctx):
    """Angles in float64: those of position 20000 in float32 are off by a thousandth. The
    frequencies are the library's own formula, once more."""
    config, rope, rotary = model.config, rope_of(model.config), model.model.rotary_emb
    dim = int(head_dim(config) * rope.get("partial_rotary_factor", 1.0))
    base, kind = rope["rope_theta"], rope["rope_type"]
    if kind == "dynamic":
        stretch = rope["factor"] * n_ctx / config.max_position_embeddings - (rope["factor"] - 1)
        base = base * stretch ** (dim / (dim - 2))
    frequencies = base ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    if kind == "linear":
        frequencies = frequencies / rope["factor"]
    elif kind == "longrope":
        assert n_ctx > rope["original_max_position_embeddings"]
        frequencies = frequencies / torch.tensor(rope["long_factor"], dtype=torch.float64)
    elif kind == "yarn":
        # Pairs between those that turn beta_fast and beta_slow times in the original context.
        low, high = (
            dim
            * math.log(rope["original_max_position_embeddings"] / (beta * 2 * math.pi))
            / (2 * math.log(rope["rope_theta"]))
            for beta in (rope["beta_fast"], rope["beta_slow"])
        )
        if rope.get("truncate", True):
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, dim - 1)
        divided = ((torch.arange(dim // 2, dtype=torch.float64) - low) / (high - low)).clamp(0, 1)
        frequencies = frequencies * (1 - divided + divided / rope["factor"])
    library, scale = ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"), seq_len=n_ctx)
    torch.testing.assert_close(frequencies.float(), library, rtol=1e-6, atol=0.0)

    def forward(x, position_ids):
        angles = position_ids[0].double()[None, :, None] * frequencies
        if config.model_type != "gpt_oss":
            angles = torch.cat((angles, angles), dim=-1)
        return (angles.cos() * scale).to(x.dtype), (angles.sin() * scale).to(x.dtype)

    rotary.forward = forward


def halve_alibi(model, other):
    """Falcon's eager attention adds the bias to the scores and, in the mask, once more: half of it
    twice is the whole, as `other`, with the library's other kind of attention, has it."""
    ids = torch.tensor([tiny_tokenizer.encode(TEXT)])
    expected = other(ids).logits
    build = modeling_falcon.build_alibi_tensor
    modeling_falcon.build_alibi_tensor = lambda *args, **kwargs: 0.5 * build(*args, **kwargs)
    torch.testing.assert_close(model(ids).logits, expected, rtol=1e-5, atol=1e-5)


def parts_of(model):
    """The decoder, its layers, its last norm, whatever they are called."""
    decoder = model.base_model
    decoder = getattr(decoder, "decoder", decoder)
    decoder = getattr(decoder, "language_model", decoder)
    layers = next(
        getattr(decoder, name) for name in ("layers", "h", "blocks") if hasattr(decoder, name)
    )
    norms = ("norm", "ln_f", "final_layernorm", "final_layer_norm", "norm_f", "layer_norm")
    return decoder, layers, next(getattr(decoder, name) for name in norms if hasattr(decoder, name))


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
