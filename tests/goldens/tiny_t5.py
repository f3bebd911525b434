"""Tiny random T5: an encoder by itself, and with a decoder that looks at what it has read."""

import json
import math
import pathlib
import shutil
import tempfile

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import save_file

import tiny_unigram

TEXT = "translate English to German: The heat of the sun is on it, and a red hen."
# What the decoder is given, without the token that it begins with.
TARGET = "Das Haus ist wunderbar and a hen is on it."
START, N_GREEDY = 0, 12

SMALL = dict(
    vocab_size=tiny_unigram.N_TOKENS,
    d_model=32,
    d_kv=12,
    d_ff=40,
    num_heads=2,
    num_layers=1,
    num_decoder_layers=2,
    # The texts are longer than the distances that have buckets of their own.
    relative_attention_num_buckets=12,
    decoder_start_token_id=START,
)
GATED = dict(SMALL, feed_forward_proj="gated-gelu", tie_word_embeddings=False)

CASES = {
    # Versions 1.1, with rows that only fill the table, and 1.0.
    "t5": transformers.T5Config(**dict(GATED, vocab_size=tiny_unigram.N_TOKENS + 4)),
    "t5-relu": transformers.T5Config(**SMALL),
    # The texts are longer than the largest distance, for which GGUF has no key. As transformers 5
    # writes it.
    "t5-near": transformers.T5Config(**GATED, relative_attention_max_distance=16),
    "t5encoder": transformers.T5Config(**dict(GATED, num_layers=2)),
}
# With which answers are no single token.
SEEDS = {"t5": 1, "t5-relu": 7, "t5-near": 6, "t5encoder": 1}
ONLY_HUGGING_FACE = {"t5-near"}


def write(name, folder):
    config = CASES[name]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    is_encoder = name == "t5encoder"
    kind = transformers.T5EncoderModel if is_encoder else transformers.T5ForConditionalGeneration
    write_hugging_face(kind(config), name, folder / "hf")
    model = kind.from_pretrained(folder / "hf", dtype=torch.float32, attn_implementation="eager")
    model.eval()
    if name not in ONLY_HUGGING_FACE:
        write_gguf(model, name, folder / "model.gguf")
    write_expected(model, folder)
    print(f"{name}: {sum(f.stat().st_size for f in folder.rglob('*.*'))} bytes")


def write_hugging_face(model, name, folder):
    if not model.config.scale_decoder_outputs and hasattr(model, "lm_head"):
        model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.lm_head.weight))
    torch.manual_seed(SEEDS[name])
    for parameter_name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape)
        if "layer_norm" in parameter_name:
            parameter.data = 1.0 + 0.3 * noise
        elif "shared" in parameter_name:
            # Small, so that a tied output does not say again what it was given.
            parameter.data = 0.2 * noise
        elif any(part in parameter_name for part in ("lm_head", "relative_attention")):
            parameter.data = noise
        else:
            parameter.data = noise / math.sqrt(parameter.shape[-1])
    with tempfile.TemporaryDirectory() as temporary:
        model.to(torch.bfloat16).save_pretrained(temporary)
        folder.mkdir()
        # save_pretrained makes its files private to their owner.
        (folder / "model.safetensors").write_bytes(
            (pathlib.Path(temporary) / "model.safetensors").read_bytes()
        )
        config = json.loads((pathlib.Path(temporary) / "config.json").read_text())
    config.pop("transformers_version")
    if name != "t5-near":
        # Published files say by this alone whether logits are scaled.
        config["tie_word_embeddings"] = config.pop("scale_decoder_outputs")
    write_json(folder / "config.json", config)
    write_json(folder / "tokenizer.json", tiny_unigram.hugging_face(tiny_unigram.train()))
    write_json(folder / "tokenizer_config.json", {"eos_token": "</s>", "pad_token": "<pad>"})


def write_gguf(model, name, path):
    """By the conventions of llama.cpp's converter."""
    config, architecture = model.config, name.partition("-")[0]
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(f"tiny random {name}")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(512)
    writer.add_embedding_length(config.d_model)
    writer.add_feed_forward_length(config.d_ff)
    writer.add_block_count(config.num_layers)
    writer.add_head_count(config.num_heads)
    writer.add_key_length(config.d_kv)
    writer.add_value_length(config.d_kv)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)
    writer.add_relative_attn_buckets_count(config.relative_attention_num_buckets)
    writer.add_layer_norm_rms_eps(config.layer_norm_epsilon)
    if architecture == "t5":
        writer.add_decoder_block_count(config.num_decoder_layers)
        writer.add_decoder_start_token_id(config.decoder_start_token_id)
    tiny_unigram.add_to_gguf(writer, config.vocab_size)
    kind = next(kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(kind, max(config.num_layers, config.num_decoder_layers))
    for full_name, weights in model.state_dict().items():
        module = full_name.removesuffix(".weight")
        is_tied = module == "lm_head" and config.scale_decoder_outputs
        if not module.endswith("embed_tokens") and not is_tied:
            writer.add_tensor(f"{names.get_name(module)}.weight", np.ascontiguousarray(weights))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_expected(model, folder):
    ids = tiny_unigram.encode(TEXT) + [tiny_unigram.EOS]
    target = [START] + tiny_unigram.encode(TARGET)
    tokens, seen, expected = torch.tensor([ids]), {}, {"text": TEXT, "token_ids": ids}
    with torch.no_grad():
        if hasattr(model, "decoder"):
            # The library's cache has as many layers as the encoder.
            greedy = model.generate(
                tokens,
                do_sample=False,
                max_new_tokens=N_GREEDY,
                num_beams=1,
                use_cache=False,
                suppress_tokens=[*range(tiny_unigram.N_TOKENS, model.config.vocab_size)] or None,
            )
            expected |= {"target_ids": target, "greedy_ids": greedy[0, 1:].tolist()}
            watch(seen, "encoder.", model.encoder)
            watch(seen, "", model.decoder)
            result = model(
                tokens,
                decoder_input_ids=torch.tensor([target]),
                output_attentions=True,
                use_cache=False,
            )
            seen["logits"] = result.logits[0].contiguous()
            attentions = [
                ("encoder.attention", result.encoder_attentions),
                ("attention", result.decoder_attentions),
                ("cross", result.cross_attentions),
            ]
        else:
            watch(seen, "", model.encoder)
            attentions = [("attention", model(tokens, output_attentions=True).attentions)]
    for name, layers in attentions:
        for layer_idx, weights in enumerate(layers):
            seen[f"{name}.{layer_idx}"] = weights[0].contiguous()
    assert all(torch.isfinite(values).all() for values in seen.values())
    save_file(seen, folder / "expected.safetensors")
    # save_file makes its file private to its owner.
    (folder / "expected.safetensors").chmod(0o644)
    write_json(folder / "expected.json", expected)


def watch(seen, prefix, half):
    def keep(name):
        def hook(_module, _inputs, output):
            output = output[0] if isinstance(output, tuple) else output
            seen[prefix + name] = output[0].clone().contiguous()

        return hook

    half.embed_tokens.register_forward_hook(keep("embedding"))
    for layer_idx, layer in enumerate(half.block):
        layer.register_forward_hook(keep(f"layer.{layer_idx}"))
    half.final_layer_norm.register_forward_hook(keep("output_norm"))


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
