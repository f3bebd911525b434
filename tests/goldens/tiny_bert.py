"""Tiny random encoders: BERT and what came of it."""

import json
import math
import pathlib
import shutil
import tempfile
import zlib

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn

import tiny_tokenizer
import tiny_unigram
import tiny_wordpiece

TEXT = "The heat of the sun is on it, and a red hen."
SHAPE = dict(
    hidden_size=32,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=64,
    type_vocab_size=2,
)
BERT = dict(SHAPE, vocab_size=len(tiny_wordpiece.TOKENS), pad_token_id=tiny_wordpiece.PAD)
PLAIN = dict(SHAPE, vocab_size=len(tiny_tokenizer.TOKENS), pad_token_id=tiny_tokenizer.UNKNOWN)
# Two rows before that of the first position.
ROBERTA = dict(max_position_embeddings=66, type_vocab_size=1, layer_norm_eps=1e-5)


class JinaBertConfig(transformers.BertConfig):
    """Of published code, which the library does not have."""


class JinaBertModel(nn.Module):
    """Guenther et al. 2023, sections 3 and 4: BERT without positions; each score loses a slope
    times the distance, and the feed-forward is GEGLU. Modules have the names of published files."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        d_model, d_ff, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
        linear, norm = nn.Linear, lambda: nn.LayerNorm(d_model, eps=eps)
        self.embeddings = nn.ModuleDict(
            dict(
                word_embeddings=nn.Embedding(config.vocab_size, d_model),
                token_type_embeddings=nn.Embedding(config.type_vocab_size, d_model),
                LayerNorm=norm(),
            )
        )

        def layer():
            heads = {name: linear(d_model, d_model) for name in ("query", "key", "value")}
            output = nn.ModuleDict(dict(dense=linear(d_model, d_model), LayerNorm=norm()))
            attention = nn.ModuleDict({"self": nn.ModuleDict(heads), "output": output})
            mlp = dict(
                gated_layers=linear(d_model, 2 * d_ff, bias=False),
                wo=linear(d_ff, d_model),
                layernorm=norm(),
            )
            return nn.ModuleDict(dict(attention=attention, mlp=nn.ModuleDict(mlp)))

        layers = nn.ModuleList(layer() for _ in range(config.num_hidden_layers))
        self.encoder = nn.ModuleDict(dict(layer=layers))

    def forward(self, ids):
        n_heads, n = self.config.num_attention_heads, ids.shape[1]
        assert n_heads & (n_heads - 1) == 0, "slopes of a power of two"
        slopes = 2.0 ** (-8.0 * torch.arange(1, n_heads + 1) / n_heads)
        distance = (torch.arange(n)[:, None] - torch.arange(n)[None]).abs()
        bias = -slopes[:, None, None] * distance
        embeddings = self.embeddings
        x = embeddings["word_embeddings"](ids) + embeddings["token_type_embeddings"].weight[0]
        x = embeddings["LayerNorm"](x)
        seen, attentions = {"embedding": x[0]}, []
        for layer_idx, layer in enumerate(self.encoder["layer"]):
            attention, mlp = layer["attention"], layer["mlp"]
            q, k, v = (
                attention["self"][name](x).unflatten(-1, (n_heads, -1)).transpose(1, 2)
                for name in ("query", "key", "value")
            )
            scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + bias
            weights = scores.softmax(dim=-1)
            attentions.append(weights)
            found = attention["output"]["dense"]((weights @ v).transpose(1, 2).flatten(-2))
            x = attention["output"]["LayerNorm"](x + found)
            gate, up = mlp["gated_layers"](x).chunk(2, dim=-1)
            x = mlp["layernorm"](x + mlp["wo"](nn.functional.gelu(gate) * up))
            seen[f"layer.{layer_idx}"] = x[0]
        return seen, attentions

    def save_pretrained(self, folder):
        save_file(self.state_dict(), pathlib.Path(folder) / "model.safetensors")
        config = dict(
            self.config.to_diff_dict(),
            architectures=["JinaBertModel"],
            position_embedding_type="alibi",
            feed_forward_type="geglu",
            **SHAPE,
        )
        (pathlib.Path(folder) / "config.json").write_text(json.dumps(config))


CASES = {
    "bert": (transformers.BertModel, transformers.BertConfig(**BERT)),
    # As GGUF it is BERT.
    "bert-roberta": (
        transformers.XLMRobertaModel,
        transformers.XLMRobertaConfig(**PLAIN | ROBERTA | dict(vocab_size=tiny_unigram.N_TOKENS)),
    ),
    "roberta": (transformers.RobertaModel, transformers.RobertaConfig(**PLAIN | ROBERTA)),
    "distilbert": (
        transformers.DistilBertModel,
        transformers.DistilBertConfig(
            vocab_size=BERT["vocab_size"], dim=32, hidden_dim=40, n_layers=2, n_heads=4,
            max_position_embeddings=64,
        ),
    ),
    "nomic-bert": (transformers.NomicBertModel, transformers.NomicBertConfig(**BERT)),
    # The layers between the full ones see 8 tokens on each side.
    "modern-bert": (
        transformers.ModernBertModel,
        transformers.ModernBertConfig(
            **PLAIN | dict(num_hidden_layers=5, local_attention=16),
            bos_token_id=tiny_tokenizer.BOS, eos_token_id=tiny_tokenizer.EOS,
            cls_token_id=tiny_tokenizer.BOS, sep_token_id=tiny_tokenizer.EOS,
        ),
    ),
    "jina-bert-v2": (JinaBertModel, JinaBertConfig(**BERT)),
    "gemma-embedding": (
        transformers.Gemma3TextModel,
        transformers.Gemma3TextConfig(
            **PLAIN | dict(num_hidden_layers=7, num_attention_heads=2, num_key_value_heads=1),
            bos_token_id=tiny_tokenizer.BOS, eos_token_id=tiny_tokenizer.EOS,
            head_dim=32, query_pre_attn_scalar=32, sliding_window=16,
            use_bidirectional_attention=True,
        ),
    ),
}  # fmt: skip
ONLY_HUGGING_FACE = {"roberta", "distilbert"}
WORD_PIECE = {"bert", "distilbert", "nomic-bert", "jina-bert-v2"}
UNIGRAM = {"bert-roberta"}


def write(name, folder):
    kind, config = CASES[name]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    options = {} if kind is JinaBertModel else dict(attn_implementation="eager")
    config._attn_implementation = "eager"
    torch.manual_seed(zlib.crc32(name.encode()))
    model = kind(config).eval()
    randomize(model)
    write_hugging_face(model, name, folder / "hf")
    if options:
        model = kind.from_pretrained(folder / "hf", dtype=torch.float32, **options).eval()
    (folder / "hf/config.json").write_text(json_text(published(name, folder / "hf")))
    if name not in ONLY_HUGGING_FACE:
        write_gguf(config, name, folder)
    write_expected(model, name, folder)
    print(f"{name}: {sum(f.stat().st_size for f in folder.rglob('*.*'))} bytes")


def randomize(model):
    """Numbers that BF16 holds exactly."""
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape)
        if parameter.dim() == 1:
            gain = 0.0 if name.endswith("bias") or "gemma" in type(model).__name__.lower() else 1.0
            noise = gain + 0.3 * noise
        elif "mbeddings" not in name and "embed_tokens" not in name:
            noise = noise / math.sqrt(parameter.shape[-1])
        parameter.data = noise.bfloat16().float()


def write_hugging_face(model, name, folder):
    with tempfile.TemporaryDirectory() as temporary:
        model.save_pretrained(temporary)
        folder.mkdir()
        tensors = load_file(pathlib.Path(temporary) / "model.safetensors")
        (folder / "config.json").write_bytes((pathlib.Path(temporary) / "config.json").read_bytes())
    tensors = {name: values.bfloat16() for name, values in tensors.items()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    # save_file makes its file private to its owner.
    (folder / "model.safetensors").chmod(0o644)
    tokenizer, config = tiny_tokenizer.hugging_face(), tiny_tokenizer.hugging_face_config()
    if name in WORD_PIECE:
        tokenizer, config = tiny_wordpiece.hugging_face(), tiny_wordpiece.hugging_face_config()
    elif name in UNIGRAM:
        tokenizer = tiny_unigram.hugging_face(tiny_unigram.train())
        config = {"eos_token": "</s>", "pad_token": "<pad>"}
    (folder / "tokenizer.json").write_text(json_text(tokenizer))
    (folder / "tokenizer_config.json").write_text(json_text(config))


def published(name, folder):
    """config.json in the form that most published files have."""
    config = json.loads((folder / "config.json").read_text())
    config.pop("transformers_version", None)
    if name == "modern-bert":
        rope, kinds = config.pop("rope_parameters"), config.pop("layer_types")
        config["global_rope_theta"] = rope["full_attention"]["rope_theta"]
        config["local_rope_theta"] = rope["sliding_attention"]["rope_theta"]
        config["global_attn_every_n_layers"] = 3
        assert [kind == "full_attention" for kind in kinds] == [i % 3 == 0 for i in range(5)]
    if name == "nomic-bert":
        return dict(
            architectures=config["architectures"],
            activation_function="swiglu",
            layer_norm_epsilon=config["layer_norm_eps"],
            n_embd=config["hidden_size"],
            n_head=config["num_attention_heads"],
            n_inner=config["intermediate_size"],
            n_layer=config["num_hidden_layers"],
            n_positions=config["max_position_embeddings"],
            prenorm=False,
            qkv_proj_bias=False,
            rotary_emb_base=config["rope_parameters"]["rope_theta"],
            rotary_emb_fraction=1.0,
            rotary_emb_interleaved=False,
            rotary_scaling_factor=None,
            type_vocab_size=config["type_vocab_size"],
            vocab_size=config["vocab_size"],
        )
    return config


def write_gguf(config, name, folder):
    """By the conventions of llama.cpp's converter."""
    architecture = "bert" if name == "bert-roberta" else name
    writer = gguf.GGUFWriter(folder / "model.gguf", architecture)
    writer.add_name(f"tiny random {name}")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    n_before = 2 if name == "bert-roberta" else 0
    writer.add_context_length(config.max_position_embeddings - n_before)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    if name == "gemma-embedding":
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_sliding_window(16)
        writer.add_rope_freq_base(config.rope_parameters["full_attention"]["rope_theta"])
    else:
        writer.add_causal_attention(False)
        eps = config.norm_eps if name == "modern-bert" else config.layer_norm_eps
        writer.add_layer_norm_eps(eps)
    if name == "modern-bert":
        writer.add_sliding_window(config.local_attention)
        writer.add_sliding_window_pattern(3)
        writer.add_rope_freq_base(config.rope_parameters["full_attention"]["rope_theta"])
        writer.add_rope_freq_base_swa(config.rope_parameters["sliding_attention"]["rope_theta"])
        writer.add_rope_scaling_type(gguf.RopeScalingType.NONE)
    elif name == "nomic-bert":
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    if name in WORD_PIECE:
        tiny_wordpiece.add_to_gguf(writer)
    elif name in UNIGRAM:
        tiny_unigram.add_to_gguf(writer, config.vocab_size)
    else:
        tiny_tokenizer.add_to_gguf(writer)
    kind = next(kind for kind, known in gguf.MODEL_ARCH_NAMES.items() if known == architecture)
    names = gguf.get_tensor_name_map(kind, config.num_hidden_layers)
    for full_name, weights in load_file(folder / "hf/model.safetensors").items():
        module, _, part = full_name.rpartition(".")
        weights = weights.float().numpy()
        if module.startswith("pooler"):
            continue
        if module == "embeddings.position_embeddings":
            weights = weights[n_before:]
        if name == "gemma-embedding" and "norm" in module:
            weights = np.float32(1.0) + weights
        if module.endswith("gated_layers"):
            d_ff = config.intermediate_size
            prefix = names.get_name(module.replace("gated_layers", "layernorm")).rpartition(".")[0]
            writer.add_tensor(f"{prefix}.ffn_gate.weight", np.ascontiguousarray(weights[:d_ff]))
            writer.add_tensor(f"{prefix}.ffn_up.weight", np.ascontiguousarray(weights[d_ff:]))
            continue
        theirs = module if name != "gemma-embedding" else f"model.{module}"
        writer.add_tensor(f"{names.get_name(theirs)}.{part}", np.ascontiguousarray(weights))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_expected(model, name, folder):
    if name in WORD_PIECE:
        ids = tiny_wordpiece.encode(TEXT)
    elif name in UNIGRAM:
        ids = tiny_unigram.encode(TEXT) + [tiny_unigram.EOS]
    else:
        ids = tiny_tokenizer.encode(TEXT)
    with torch.no_grad():
        seen, attentions = watch(model, name, torch.tensor([ids]))
    seen["output_norm"] = seen.get("output_norm", seen[f"layer.{len(attentions) - 1}"])
    for layer_idx, weights in enumerate(attentions):
        seen[f"attention.{layer_idx}"] = weights[0]
    seen = {name: values.clone().contiguous() for name, values in seen.items()}
    assert all(torch.isfinite(values).all() for values in seen.values())
    save_file(seen, folder / "expected.safetensors")
    (folder / "expected.safetensors").chmod(0o644)
    (folder / "expected.json").write_text(json_text({"text": TEXT, "token_ids": ids}))


def watch(model, name, tokens):
    if isinstance(model, JinaBertModel):
        return model(tokens)
    seen = {}

    def keep(name):
        def hook(_module, _inputs, output):
            seen[name] = (output[0] if isinstance(output, tuple) else output)[0]

        return hook

    layers = next(
        found
        for found in (
            getattr(getattr(model, "encoder", None), "layer", None),
            getattr(getattr(model, "transformer", None), "layer", None),
            getattr(model, "layers", None),
        )
        if found is not None
    )
    layers[0].register_forward_pre_hook(
        lambda _module, inputs: seen.update(embedding=inputs[0][0].clone())
    )
    for layer_idx, layer in enumerate(layers):
        layer.register_forward_hook(keep(f"layer.{layer_idx}"))
    for norm in ("final_norm", "norm"):
        if hasattr(model, norm):
            getattr(model, norm).register_forward_hook(keep("output_norm"))
    options = {}
    if "roberta" in name:
        # Its own count leaves out tokens that are the padding.
        options["position_ids"] = torch.arange(2, 2 + tokens.shape[1])[None]
    return seen, model(tokens, output_attentions=True, **options).attentions


def json_text(value):
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"
