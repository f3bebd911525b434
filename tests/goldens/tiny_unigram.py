"""A tiny Unigram vocabulary, trained by SentencePiece, and what it makes of odd texts."""

import base64
import functools
import json
import pathlib
import tempfile

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

SPACE = "\u2581"
PAD, EOS, UNKNOWN = range(3)
N_TOKENS = 66

# Normalisation: white space is one kind of space, and some letters are others.
RULES = {
    "\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "\u3000": " ",
    "\ufb01": "fi", "\u2460": "1", "e\u0301": "\u00e9", "\uff21": "A", "\u00ad": "", "\u2026": "...",
}  # fmt: skip
SENTENCES = [
    "The heat of the sun is on it, and a red hen.",
    "translate English to German: The house is wonderful.",
    "Das Haus ist wunderbar.",
    "summarize: the tall tree stands on the hill and the wind is in it",
    "The rain in the trees, the sun on the sea; and 12 hens.",
    "caf\u00e9 caf\u00e9s are open at 9 or 10.",
]
TEXTS = [
    "The heat of the sun is on it, and a red hen.",
    "translate English to German: The house is wonderful.",
    "",
    " ",
    "   ",
    " the",
    "the  ",
    "the   sun",
    "the\tsun\nis\r\n\r\nhere",
    "\u00a0the\u3000sun",
    "\ufb01ne caf\u00e9 cafe\u0301 \u2460 \uff21nd a\u00adnd\u2026",
    "\u6771\u4eac and \u6771 \u4eac",
    "x\U0001f999\U0001f999y \U0001f999",
    "Zz~~zZ",
    "zzzzzzzzzzzzqqqqqqqqQQ",
    "</s> <unk> <pad>",
    "the" * 40,
    "hen." + SPACE + "hen",
    "\u0000a\u0001",
    "a" * 300,
]


def write(folder):
    """`tokenizer.json`: the vocabulary as folders of T5 hold it; `expected.json`: texts, ids."""
    folder.mkdir(exist_ok=True)
    model = train()
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    expected = [{"text": text, "ids": processor.encode(text)} for text in TEXTS]
    for name, value in [("tokenizer", hugging_face(model)), ("expected", expected)]:
        text = json.dumps(value, ensure_ascii=False, indent=1)
        (folder / f"{name}.json").write_text(text + "\n")


def encode(text):
    """Ids of `text` without the end."""
    return sentencepiece.SentencePieceProcessor(model_proto=train()).encode(text)


@functools.cache
def train():
    """Serialised, with T5's special tokens."""
    with tempfile.TemporaryDirectory() as temporary:
        rules = pathlib.Path(temporary) / "rules.tsv"
        codes = lambda text: " ".join(f"{ord(c):X}" for c in text)
        rules.write_text("".join(f"{codes(a)}\t{codes(b)}\n" for a, b in RULES.items()))
        prefix = f"{temporary}/tiny"
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(SENTENCES),
            model_prefix=prefix,
            model_type="unigram",
            vocab_size=N_TOKENS,
            normalization_rule_tsv=str(rules),
            pad_id=PAD,
            eos_id=EOS,
            unk_id=UNKNOWN,
            bos_id=-1,
            num_threads=1,
            minloglevel=2,
        )
        return pathlib.Path(f"{prefix}.model").read_bytes()


def hugging_face(serialised):
    """tokenizer.json, as transformers converts T5's."""
    model = sentencepiece_model_pb2.ModelProto.FromString(serialised)
    charsmap = base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    space = dict(type="Metaspace", replacement=SPACE, prepend_scheme="always", split=True)
    special = [(i, p.piece) for i, p in enumerate(model.pieces) if p.type in (2, 3)]
    text, eos = {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [dict(id=i, content=piece, **flags) for i, piece in special],
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, space]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [text, eos],
            "pair": [text, eos, {"Sequence": {"id": "B", "type_id": 0}}, eos],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [EOS], "tokens": ["</s>"]}},
        },
        "decoder": space,
        "model": {
            "type": "Unigram",
            "unk_id": UNKNOWN,
            "vocab": [[p.piece, p.score] for p in model.pieces],
            "byte_fallback": False,
        },
    }


def add_to_gguf(writer, n_rows):
    """With rows that only fill the table, as llama.cpp's converter writes them."""
    model, kind = sentencepiece_model_pb2.ModelProto.FromString(train()), gguf.TokenType
    pieces = [(piece.piece, piece.score, piece.type) for piece in model.pieces]
    n_padding = n_rows - len(pieces)
    pieces += [(f"[PAD{len(pieces) + i}]", -10000.0, kind.UNUSED) for i in range(n_padding)]
    tokens, scores, types = zip(*pieces)
    writer.add_tokenizer_model("t5")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_add_space_prefix(True)
    writer.add_remove_extra_whitespaces(True)
    writer.add_precompiled_charsmap(model.normalizer_spec.precompiled_charsmap)
    writer.add_eos_token_id(EOS)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_pad_token_id(PAD)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(True)
