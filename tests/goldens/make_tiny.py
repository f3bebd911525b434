"""Tiny random models and what transformers computes with them, one folder per case.

    cargo xtask goldens          # runs this file in a virtual environment with requirements.txt

README.md beside this file says what is written. The seed is fixed: with the same versions the
files come out the same.
"""

import json
import math
import pathlib
import shutil
import tempfile

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig, Qwen2Config

import tiny_tokenizer

HERE = pathlib.Path(__file__).resolve().parent
TEXT = "The heat of the sun is on it, and a red hen."
N_CTX = 128

SHARED = dict(
    vocab_size=len(tiny_tokenizer.TOKENS),
    max_position_embeddings=N_CTX,
    bos_token_id=tiny_tokenizer.BOS,
    eos_token_id=tiny_tokenizer.EOS,
    pad_token_id=None,
    rms_norm_eps=1e-5,
)

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

CASES = {
    "llama": LlamaConfig(**SHARED, **LLAMA, num_hidden_layers=2, rope_theta=100000.0),
    "llama-rope-scaled": LlamaConfig(
        **SHARED, **LLAMA, num_hidden_layers=1, rope_parameters=LLAMA3_ROPE
    ),
    # Seven query heads share one key-value head.
    "qwen2": Qwen2Config(
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
    "gemma3": Gemma3TextConfig(
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
}

# Hugging Face module, GGUF tensor. `{}` is the layer.
TENSORS = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "model.layers.{}.input_layernorm": "blk.{}.attn_norm",
    "model.layers.{}.self_attn.q_proj": "blk.{}.attn_q",
    "model.layers.{}.self_attn.k_proj": "blk.{}.attn_k",
    "model.layers.{}.self_attn.v_proj": "blk.{}.attn_v",
    "model.layers.{}.self_attn.o_proj": "blk.{}.attn_output",
    "model.layers.{}.self_attn.q_norm": "blk.{}.attn_q_norm",
    "model.layers.{}.self_attn.k_norm": "blk.{}.attn_k_norm",
    "model.layers.{}.pre_feedforward_layernorm": "blk.{}.ffn_norm",
    "model.layers.{}.post_feedforward_layernorm": "blk.{}.post_ffw_norm",
    "model.layers.{}.mlp.gate_proj": "blk.{}.ffn_gate",
    "model.layers.{}.mlp.up_proj": "blk.{}.ffn_up",
    "model.layers.{}.mlp.down_proj": "blk.{}.ffn_down",
}
# One Hugging Face name, two meanings.
POST_ATTENTION = "model.layers.{}.post_attention_layernorm"


def main():
    for seed, (name, config) in enumerate(CASES.items(), start=1):
        torch.manual_seed(seed)
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        write_hugging_face(config, folder / "hf")
        model = load(folder / "hf")
        write_gguf(model, name, folder / "model.gguf")
        write_expected(model, folder)
        print(f"{name}: {sum(f.stat().st_size for f in folder.rglob('*.*'))} bytes")


def write_hugging_face(config, folder):
    """Random weights, written as checkpoints are published: bfloat16, `config.json` in the form
    that most published files still have."""
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    for parameter_name, parameter in model.named_parameters():
        parameter.data = random_weights(parameter_name, parameter.shape, config.model_type)
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


def random_weights(name, shape, model_type):
    """Large enough that activations stay of order one and attention is far from uniform."""
    noise = torch.randn(shape)
    if name.endswith("bias"):
        return 0.5 * noise
    if "norm" in name:
        # Gemma's gain is 1 + w.
        return 0.3 * noise if model_type.startswith("gemma") else 1.0 + 0.3 * noise
    if "embed_tokens" in name or "lm_head" in name:
        return 0.5 * noise
    gain = 2.0 if "q_proj" in name or "k_proj" in name else 1.0
    return gain / math.sqrt(shape[1]) * noise


def published_form(config):
    """RoPE as top-level keys, except for qwen2, whose file keeps the newer `rope_parameters`."""
    config.pop("transformers_version", None)
    if config["model_type"] == "qwen2":
        return config
    rope = config.pop("rope_parameters")
    if "full_attention" in rope:
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        rope = rope["full_attention"]
        # Published files leave the kinds of layers to the reader.
        config.pop("layer_types")
        config.pop("_sliding_window_pattern")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    return dict(sorted(config.items()))


def load(folder):
    """What the tests are about: the file as written, computed in float32."""
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    return model.eval()


def write_gguf(model, case, path):
    """The same numbers as float32, by the conventions of llama.cpp's converter."""
    config = model.config
    architecture = case.split("-")[0]
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(f"tiny random {case}")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    # Written only where it is not d_model / n_heads.
    if head_dim(config) * config.num_attention_heads != config.hidden_size:
        writer.add_key_length(head_dim(config))
        writer.add_value_length(head_dim(config))
    rope = config.rope_parameters.get("full_attention", config.rope_parameters)
    writer.add_rope_freq_base(rope["rope_theta"])
    if architecture == "llama":
        writer.add_rope_dimension_count(head_dim(config))
        writer.add_vocab_size(config.vocab_size)
    if architecture == "gemma3":
        writer.add_sliding_window(config.sliding_window)
    tiny_tokenizer.add_to_gguf(writer)
    if rope["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(rope, head_dim(config)))
    tied = config.tie_word_embeddings
    for name, weights in model.state_dict().items():
        if not (tied and name == "lm_head.weight"):
            weights = gguf_weights(name, weights.numpy(), config)
            writer.add_tensor(gguf_name(name, architecture), np.ascontiguousarray(weights))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def head_dim(config):
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


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


def gguf_name(name, architecture):
    module, _, kind = name.rpartition(".")
    parts = module.split(".")
    layer_idx = parts[2] if module.startswith("model.layers.") else ""
    pattern = module.replace(f".{layer_idx}.", ".{}.", 1) if layer_idx else module
    if pattern == POST_ATTENTION:
        post_attention = "post_attention_norm" if architecture == "gemma3" else "ffn_norm"
        return f"blk.{layer_idx}.{post_attention}.{kind}"
    return f"{TENSORS[pattern].format(layer_idx)}.{kind}"


def gguf_weights(name, weights, config):
    if config.model_type == "llama" and ("q_proj" in name or "k_proj" in name):
        n_heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
        # Pairs (i, i + head_dim / 2) become neighbours (2i, 2i + 1).
        heads = weights.reshape(n_heads, 2, head_dim(config) // 2, -1)
        return heads.swapaxes(1, 2).reshape(weights.shape)
    if config.model_type == "gemma3_text" and "norm" in name:
        gain = np.float32(1.0) + weights
        if "q_norm" in name:
            # Readers scale scores by head_dim^-0.5; GGUF has no key for another scalar.
            gain *= np.float32(math.sqrt(config.head_dim / config.query_pre_attn_scalar))
        return gain
    return weights


def write_expected(model, folder):
    ids = tiny_tokenizer.encode(TEXT)
    seen = {}

    def keep(name):
        def hook(_module, _inputs, output):
            output = output[0] if isinstance(output, tuple) else output
            seen[name] = output[0].clone().contiguous()

        return hook

    # The input of layer 0 is the embedding as the layers see it: Gemma's is scaled.
    decoder = model.model
    decoder.layers[0].register_forward_pre_hook(
        lambda _module, inputs: seen.update(embedding=inputs[0][0].clone().contiguous())
    )
    for layer_idx, layer in enumerate(decoder.layers):
        layer.register_forward_hook(keep(f"layer.{layer_idx}"))
    decoder.norm.register_forward_hook(keep("output_norm"))
    with torch.no_grad():
        result = model(torch.tensor([ids]), output_attentions=True, use_cache=False)
    seen["logits"] = result.logits[0].contiguous()
    for layer_idx, weights in enumerate(result.attentions):
        seen[f"attention.{layer_idx}"] = weights[0].contiguous()
    assert all(torch.isfinite(values).all() for values in seen.values())
    save_file(seen, folder / "expected.safetensors")
    # save_file makes its file private to its owner.
    (folder / "expected.safetensors").chmod(0o644)
    write_json(folder / "expected.json", {"text": TEXT, "token_ids": ids})


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
