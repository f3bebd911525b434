"""Attention, direct logit attribution and knock-out of a GGUF file, as transformers computes them.

    target/goldens-venv/bin/python tests/goldens/make_attention.py MODEL.gguf OUT.json
        [--dump OUT.npz]             # all rows of all heads, for compare_attention.py

Wants accelerate (1.15.0 was used) besides requirements.txt. The weights are unpacked to float32,
attention is eager. README.md beside this file says what is written. The script stops where two ways
to one number differ.
"""

import argparse
import hashlib
import json
import pathlib
import random

import gguf
import numpy as np
import tokenizers
import torch
import transformers
from tokenizers import models, pre_tokenizers

# Without digits and runs of spaces, which transformers splits in its own way for some GGUF files.
TEXT = (
    "This lease is made between Marguerite Okafor, who owns the house on Willow Lane, and Daniel "
    "Brandt, who will live in it with his daughter. The landlord gives the tenant the keys on the "
    "first day of spring, and he pays her the rent at the beginning of each month. Neither of them "
    "may sell the old piano without the consent of the other.\n\n"
    "When the winter was over, Daniel walked up the lane with Clara, his daughter, and found the "
    "landlord waiting at the gate. \"You must be the girl who plays,\" she said, and gave her the "
    "smaller of the two keys. Clara thanked her and ran into the parlour. Her father carried the "
    "boxes upstairs, while Marguerite told him about the neighbours and the fox that came at "
    "night. \"My husband called it Solomon, because it never hurried.\" Before dawn the girl heard "
    "something at the door, looked out of the window and woke her father. \"It is Solomon,\" she "
    "said, and closed the"
)
# The first is hidden from LATER and all that follows, where it is said again.
SPAN = " Solomon"
LATER = " Before dawn"

N_ROWS = 60
N_ENDING = 8
SEED = 1
# Sums of float32 residuals against float32 logits of about 20, whose steps are 2e-6.
COMPLETE = 1e-4

QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLITTERS = dict(
    smollm=lambda: [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False)],
    qwen2=lambda: [
        pre_tokenizers.Split(tokenizers.Regex(QWEN2_SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(False, use_regex=False),
    ],
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--dump", type=pathlib.Path)
    arguments = parser.parse_args()
    path = arguments.model.expanduser().resolve()
    pieces = token_pieces(path, TEXT)
    ids = torch.tensor([[token for token, _ in pieces]])
    model = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    with torch.no_grad():
        with Residual(model) as residual:
            seen = model(ids, output_attentions=True, use_cache=False)
        attention = torch.cat(seen.attentions).numpy()
        logits = seen.logits[0]
        attribution = attribute(model, residual, logits[-1])
        knockout = knock_out(model, ids, pieces, logits)
    golden = dict(
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        reference=f"transformers {transformers.__version__}, torch {torch.__version__}, "
        "float32, eager",
        text=TEXT,
        token_ids=ids[0].tolist(),
        rows=rows(attention),
        attribution=attribution,
        knockout=knockout,
    )
    arguments.out.write_text(json.dumps(golden, ensure_ascii=False) + "\n")
    if arguments.dump:
        last = logits[-1].numpy()
        np.savez(arguments.dump, attention=attention, token_ids=ids[0].numpy(), logits_last=last)


def token_pieces(path, text):
    """Pairs of token id and text, by the file's own vocabulary; transformers must agree."""
    fields = gguf.GGUFReader(path).fields
    get = lambda key: fields[f"tokenizer.ggml.{key}"].contents()
    if get("model") == "gpt2":
        pieces = byte_pairs(get("tokens"), get("merges"), SPLITTERS[get("pre")](), text)
    else:
        pieces = best_scores(get("tokens"), get("scores"), text)
    if get("add_bos_token"):
        pieces.insert(0, (get("bos_token_id"), ""))
    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    found = tokenizer(text)["input_ids"]
    assert [token for token, _ in pieces] == found, f"transformers splits differently: {found}"
    assert "".join(piece for _, piece in pieces) == text
    return pieces


def byte_pairs(tokens, merges, splitters, text):
    vocabulary = {token: i for i, token in enumerate(tokens)}
    merges = [tuple(merge.split(" ")) for merge in merges]
    tokenizer = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splitters)
    encoding = tokenizer.encode(text)
    return [(i, text[start:end]) for i, (start, end) in zip(encoding.ids, encoding.offsets)]


def best_scores(tokens, scores, text):
    """Joins the two neighbours whose token has the best score, the leftmost of equals, while any
    two are a token. Bytes and tokens that are found before, which TEXT has none of, are not known
    here."""
    vocabulary = {token: i for i, token in enumerate(tokens)}
    pieces = list(text.replace(" ", "\u2581"))
    while True:
        joined = [(vocabulary.get(a + b), k) for k, (a, b) in enumerate(zip(pieces, pieces[1:]))]
        joined = [(-scores[token], k) for token, k in joined if token is not None]
        if not joined:
            return [(vocabulary[piece], piece.replace("\u2581", " ")) for piece in pieces]
        _, k = min(joined)
        pieces[k : k + 2] = [pieces[k] + pieces[k + 1]]


def span_of(pieces, words):
    """First and end of the tokens that are exactly the first `words`."""
    text = "".join(piece for _, piece in pieces)
    start = text.index(words)
    ends = np.cumsum([len(piece) for _, piece in pieces])
    first = int(np.searchsorted(ends, start, side="right"))
    end = int(np.searchsorted(ends, start + len(words))) + 1
    found = "".join(piece for _, piece in pieces[first:end])
    assert found == words, f"{words!r} lies in {found!r}"
    return first, end


def rows(attention):
    """As many in each layer, heads and queries by chance."""
    n_layers, n_heads, n_tokens, _ = attention.shape
    chance = random.Random(SEED)
    picked = set()
    while len(picked) < N_ROWS:
        layer = len(picked) % n_layers
        picked.add((layer, chance.randrange(n_heads), chance.randrange(n_tokens)))
    assert {head for _, head, _ in picked} == set(range(n_heads))
    result = []
    for layer, head, query in sorted(picked):
        assert not attention[layer, head, query, query + 1 :].any()
        weights = attention[layer, head, query, : query + 1].astype(np.float64)
        positive = weights[weights > 0]
        entropy = -float((positive * np.log(positive)).sum())
        result.append(
            dict(
                layer=layer,
                head=head,
                query=query,
                weights=[round(weight, 7) for weight in weights.tolist()],
                entropy_nats=round(entropy, 7),
            )
        )
    return result


class Residual:
    """What a model adds to the residual stream of the last token, while this is entered."""

    def __init__(self, model):
        self.model = model
        self.found = {}

    def __enter__(self):
        decoder = self.model.model
        self.hooks = [decoder.norm.register_forward_pre_hook(self.keep_input("output"))]
        for k, layer in enumerate(decoder.layers):
            if k == 0:
                self.hooks.append(layer.register_forward_pre_hook(self.keep_input("embedding")))
            keep_heads = self.keep_input(("heads", k))
            self.hooks.append(layer.self_attn.o_proj.register_forward_pre_hook(keep_heads))
            after_attention, after_mlp = norms_after(layer)
            for name, module, norm in (
                ("attention", layer.self_attn.o_proj, after_attention),
                ("mlp", layer.mlp, after_mlp),
            ):
                self.hooks.append(module.register_forward_hook(self.keep((name, k))))
                added = norm if norm is not None else module
                self.hooks.append(added.register_forward_hook(self.keep((name, k, "added"))))
        return self

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()

    def __getitem__(self, key):
        return self.found[key]

    def keep_input(self, key):
        return lambda _, inputs: self.found.update({key: inputs[0][0, -1].double()})

    def keep(self, key):
        return lambda _, __, output: self.found.update({key: output[0, -1].double()})


def norms_after(layer):
    """Those of Gemma 3; in the other models the norm of that name stands before the MLP."""
    if hasattr(layer, "pre_feedforward_layernorm"):
        return layer.post_attention_layernorm, layer.post_feedforward_layernorm
    return None, None


def frozen(norm, x):
    """The vector by which `norm` multiplies `x`; none for a norm that is not there."""
    if norm is None:
        return torch.ones_like(x)
    gain = norm.weight.double()
    if type(norm).__name__.startswith("Gemma"):
        gain = 1.0 + gain
        eps = norm.eps
    else:
        eps = norm.variance_epsilon
    return gain / torch.sqrt((x * x).mean() + eps)


def attribute(model, residual, logits):
    """Direct logit attribution: the logits' difference as a sum over what was added to the stream,
    with the scales of the norms that follow as they were."""
    target, contrast = torch.topk(logits, 2).indices.tolist()
    rows = model.lm_head.weight.double()
    direction = (rows[target] - rows[contrast]) * frozen(model.model.norm, residual["output"])
    term = lambda added: float(direction @ added)
    difference = float(logits[target].double() - logits[contrast].double())
    attention, mlp, heads = [], [], []
    for k, layer in enumerate(model.model.layers):
        attention.append(term(residual["attention", k, "added"]))
        mlp.append(term(residual["mlp", k, "added"]))
        projection = layer.self_attn.o_proj
        assert projection.bias is None
        seen = direction * frozen(norms_after(layer)[0], residual["attention", k])
        by_column = (seen @ projection.weight.double()) * residual["heads", k]
        heads.append(by_column.view(-1, layer.self_attn.head_dim).sum(1).tolist())
        assert abs(sum(heads[-1]) - attention[-1]) < COMPLETE, f"heads of layer {k}"
    embedding = term(residual["embedding"])
    left = difference - embedding - sum(attention) - sum(mlp)
    assert abs(left) < COMPLETE, f"{left} of {difference} is unexplained"
    print(f"logit difference {difference:.6f}, unexplained {left:.2e}")
    return dict(
        target=target,
        contrast=contrast,
        logit_difference=round(difference, 7),
        embedding_term=round(embedding, 7),
        attention_term=[round(x, 7) for x in attention],
        mlp_term=[round(x, 7) for x in mlp],
        head_term=[[round(x, 7) for x in layer] for layer in heads],
    )


def knock_out(model, ids, pieces, logits):
    """Log-probabilities of the last tokens, with the span seen and hidden."""
    n_tokens = len(pieces)
    first, end = span_of(pieces, SPAN)
    from_query, _ = span_of(pieces, LATER)
    assert end <= from_query < n_tokens - N_ENDING
    # All that is seen through a mask is what is seen without.
    plain = masked(model, ids, visible(n_tokens)).logits[0]
    assert (plain - logits).abs().max() < COMPLETE
    sees = visible(n_tokens)
    sees[from_query:, first:end] = False
    hidden = masked(model, ids, sees)
    for layer in hidden.attentions:
        assert not layer[0, :, from_query:, first:end].any()
    assert (hidden.logits[0, :from_query] - logits[:from_query]).abs().max() < COMPLETE
    of_ending = lambda logits: [round(x, 7) for x in ending(logits, ids[0])]
    return dict(
        keys=[first, end],
        from_query=from_query,
        ending=ids[0, -N_ENDING:].tolist(),
        log_probs=of_ending(logits),
        log_probs_hidden=of_ending(hidden.logits[0]),
    )


def visible(n_tokens):
    return torch.ones(n_tokens, n_tokens, dtype=torch.bool).tril()


def masked(model, ids, sees):
    """With windows as wide as they are, which hide nothing here."""
    window = getattr(model.config, "sliding_window", None)
    assert window is None or ids.shape[1] <= window
    mask = torch.zeros(sees.shape).masked_fill(~sees, torch.finfo(torch.float32).min)
    return model(ids, attention_mask=mask[None, None], output_attentions=True, use_cache=False)


def ending(logits, ids):
    log_probs = torch.log_softmax(logits.double(), -1)
    return log_probs[-N_ENDING - 1 : -1].gather(1, ids[-N_ENDING:, None])[:, 0].tolist()


if __name__ == "__main__":
    main()
