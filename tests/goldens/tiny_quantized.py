"""Quantises the linear layers of a tiny model's folder, in the layouts that published folders have.

GPTQ as AutoGPTQ and GPTQModel write it, AWQ as AutoAWQ does (version "gemm"), packed integers as
compressed-tensors does, FP8 as transformers' fine-grained FP8 and compressed-tensors do, MXFP4 as gpt-oss was published. What a layout leaves open is in the tensors' numbers
alone: groups take their range, nothing is calibrated.
"""

import json

import torch
from safetensors.torch import load_file, save_file
from transformers.integrations.mxfp4 import FP4_VALUES, convert_moe_packed_tensors

GPTQ = dict(quant_method="gptq", bits=4, group_size=32, desc_act=False, sym=True)
COMPRESSED = dict(quant_method="compressed-tensors", format="float-quantized", ignore=["lm_head"])
PACKED = dict(COMPRESSED, format="pack-quantized")
FP8_MAX = torch.finfo(torch.float8_e4m3fn).max

METHODS = {
    # As AutoGPTQ writes it: zeros less one, and biases of nothing but zeros.
    "llama-gptq": GPTQ,
    # All inputs are one group.
    "llama-gptq8": dict(GPTQ, bits=8, group_size=-1),
    # Zeros of 0, less one, borrow from their neighbour.
    "phi3-gptq": dict(GPTQ, sym=False, checkpoint_format="gptq"),
    # Inputs of a group are not neighbours.
    "qwen2-gptq": dict(GPTQ, sym=False, desc_act=True, checkpoint_format="gptq_v2"),
    "qwen3-awq": dict(
        quant_method="awq", bits=4, group_size=32, zero_point=True, version="gemm"
    ),
    # Blocks of which some are cut off.
    "qwen3-fp8": dict(
        quant_method="fp8",
        activation_scheme="dynamic",
        weight_block_size=[40, 48],
        modules_to_not_convert=["lm_head"],
    ),
    # One scale a matrix, and one for its inputs; one a row.
    "llama-fp8": dict(
        COMPRESSED,
        config_groups=dict(
            group_0=dict(
                targets=["Linear"],
                weights=dict(num_bits=8, type="float", strategy="tensor", symmetric=True),
                input_activations=dict(num_bits=8, type="float", strategy="tensor"),
            )
        ),
    ),
    "qwen2-fp8": dict(
        COMPRESSED,
        config_groups=dict(
            group_0=dict(
                targets=["Linear"],
                weights=dict(num_bits=8, type="float", strategy="channel", symmetric=True),
            )
        ),
    ),
}


def of_integers(**weights):
    weights = dict(type="int", symmetric=True) | weights
    return dict(PACKED, config_groups=dict(group_0=dict(targets=["Linear"], weights=weights)))


METHODS |= {
    "llama-packed": of_integers(num_bits=4, strategy="group", group_size=32),
    # All inputs are one group.
    "phi3-packed": of_integers(num_bits=8, strategy="channel"),
    # Zeros, and inputs of a group that are not neighbours.
    "qwen3-packed": of_integers(
        num_bits=4, strategy="group", group_size=32, symmetric=False, actorder="group"
    ),
}
METHODS["gpt-oss-mxfp4"] = dict(quant_method="mxfp4", modules_to_not_convert=["lm_head"])
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def quantize(folder, case):
    """Replaces the weights of a folder; returns what they stand for, as floats."""
    method = METHODS[case]
    kind = method["quant_method"]
    if kind == "mxfp4":
        return quantize_experts(folder, method)
    quantized = {"gptq": gptq, "awq": awq, "fp8": fp8, "compressed-tensors": fp8}[kind]
    if method.get("format") == PACKED["format"]:
        quantized = pack_quantized
    path = folder / "model.safetensors"
    stored, floats = {}, {}
    for name, tensor in load_file(path).items():
        module, _, part = name.rpartition(".")
        if part != "weight" or not module.endswith("_proj"):
            stored[name] = tensor
            continue
        parts, weights = quantized(tensor.float(), method)
        floats[name] = weights
        stored |= {f"{module}.{part}": values.contiguous() for part, values in parts.items()}
        if case == "llama-gptq":
            stored[f"{module}.bias"] = torch.zeros(len(weights), dtype=torch.float16)
    replace(folder, stored, method)
    return floats


def replace(folder, stored, method):
    path = folder / "model.safetensors"
    save_file(stored, path)
    path.chmod(0o644)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = method
    (folder / "config.json").write_text(json.dumps(config, ensure_ascii=False, indent=1) + "\n")


def quantize_experts(folder, method):
    """The same where experts alone are, all of a layer in one tensor."""
    stored, floats = {}, {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        if ".experts." in name and name.endswith("_proj"):
            parts = mxfp4(tensor.float().swapaxes(1, 2))
            floats[name] = convert_moe_packed_tensors(**parts, dtype=torch.float32)
            stored |= {f"{name}_{part}": values.contiguous() for part, values in parts.items()}
        else:
            stored[name] = tensor
    replace(folder, stored, method)
    return floats


def mxfp4(weights):
    """`[..., n_in]`: a power of two for 32 values, by which the greatest of them is 4 to 8."""
    blocks = weights.unflatten(-1, (-1, 32))
    exponents = blocks.abs().amax(-1).log2().floor() - 2
    scaled = blocks / exponents.exp2()[..., None]
    nearest = (scaled[..., None] - torch.tensor(FP4_VALUES)).abs().argmin(-1).to(torch.uint8)
    packed = nearest[..., ::2] | nearest[..., 1::2] << 4
    return dict(blocks=packed, scales=(exponents + 127).to(torch.uint8))


def integers(weights, group_of, method):
    """`[n_out, n_in]` as integers, with `scales` and `zeros` `[n_groups, n_out]`, and what that
    is."""
    n_max = 2 ** method["bits"] - 1
    scales, zeros = [], []
    q, floats = torch.empty_like(weights, dtype=torch.int64), torch.empty_like(weights)
    for group in range(int(group_of.max()) + 1):
        columns = group_of == group
        part = weights[:, columns]
        low = part.amin(1).clamp(max=0)
        if method.get("sym"):
            scale = 2 * part.abs().amax(1) / n_max
            zero = torch.full_like(scale, (n_max + 1) // 2)
        else:
            # One row of each group has nothing below zero.
            part[0].abs_()
            low[0] = 0
            scale = (part.amax(1).clamp(min=0) - low) / n_max
            zero = (-low / scale).round().clamp(0, n_max)
        scale = scale.half().float()
        q[:, columns] = ((part / scale[:, None]).round() + zero[:, None]).clamp(0, n_max).long()
        floats[:, columns] = scale[:, None] * (q[:, columns] - zero[:, None])
        scales.append(scale.half())
        zeros.append(zero.long())
    return q, torch.stack(scales), torch.stack(zeros), floats


def packed(values, n_bits):
    """Neighbours along the last axis in one word, the first lowest."""
    n = 32 // n_bits
    values = values.unflatten(-1, (-1, n))
    return (values << (torch.arange(n) * n_bits)).sum(-1)


def int32(words):
    """The lower half of each, whatever its sign."""
    return ((words + 2**31) % 2**32 - 2**31).to(torch.int32)


def gptq(weights, method):
    n_in, n_bits = weights.shape[1], method["bits"]
    group = n_in if method["group_size"] == -1 else method["group_size"]
    group_of = torch.arange(n_in) // group
    if method["desc_act"]:
        group_of = group_of[torch.randperm(n_in)]
    q, scales, zeros, floats = integers(weights, group_of, method)
    ones = sum(1 << shift for shift in range(0, 32, n_bits))
    less = 0 if method.get("checkpoint_format") == "gptq_v2" else ones
    return dict(
        qweight=int32(packed(q, n_bits).T),
        qzeros=int32(packed(zeros, n_bits) - less),
        scales=scales,
        g_idx=group_of.to(torch.int32),
    ), floats


def awq(weights, method):
    group_of = torch.arange(weights.shape[1]) // method["group_size"]
    q, scales, zeros, floats = integers(weights, group_of, method)

    def ordered(values):
        return int32(packed(values.unflatten(-1, (-1, 8))[..., AWQ_ORDER].flatten(-2), 4))

    return dict(qweight=ordered(q.T), qzeros=ordered(zeros), scales=scales), floats


def pack_quantized(weights, method):
    args = method["config_groups"]["group_0"]["weights"]
    n_in, n_bits = weights.shape[1], args["num_bits"]
    group_of = torch.arange(n_in) // args.get("group_size", n_in)
    if is_ordered := args.get("actorder") == "group":
        group_of = group_of[torch.randperm(n_in)]
    numbers = dict(bits=n_bits, sym=args["symmetric"])
    q, scales, zeros, floats = integers(weights, group_of, numbers)
    parts = dict(
        weight_packed=int32(packed(q, n_bits)),
        weight_scale=scales.T,
        weight_shape=torch.tensor(weights.shape),
    )
    if not args["symmetric"]:
        parts["weight_zero_point"] = int32(packed(zeros, n_bits)).T
    if is_ordered:
        parts["weight_g_idx"] = group_of.to(torch.int32)
    return parts, floats


def fp8(weights, method):
    n_out, n_in = weights.shape
    groups = method.get("config_groups")
    strategy = groups["group_0"]["weights"]["strategy"] if groups else "block"
    sizes = {"tensor": [n_out, n_in], "channel": [1, n_in], "block": method.get("weight_block_size")}
    rows, columns = sizes[strategy]
    block_rows, block_columns = -(-n_out // rows), -(-n_in // columns)
    scales = torch.empty(block_rows, block_columns)
    for i in range(block_rows):
        for j in range(block_columns):
            block = weights[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns]
            scales[i, j] = block.abs().max() / FP8_MAX
    scales = scales.bfloat16()
    spread = scales.float().repeat_interleave(rows, 0).repeat_interleave(columns, 1)
    spread = spread[:n_out, :n_in]
    quants = (weights / spread).clamp(-FP8_MAX, FP8_MAX).to(torch.float8_e4m3fn)
    floats = quants.float() * spread
    if strategy == "block":
        return dict(weight=quants, weight_scale_inv=scales), floats
    if strategy == "channel":
        return dict(weight=quants, weight_scale=scales), floats
    scale = scales.float().reshape(1)
    return dict(weight=quants, weight_scale=scale, input_scale=torch.ones(1)), floats
