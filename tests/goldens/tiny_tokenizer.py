"""One small vocabulary, as a Hugging Face tokenizer and as GGUF metadata.

Byte-pair encoding over letters: in GGUF by scores, in tokenizer.json by the order of merges. Every
merge joins two letters, so both orders give the same ids. Only a line feed has a byte token;
letters outside the vocabulary are `<unk>`.
"""

import json
import string

import gguf
from tokenizers import Tokenizer

SPECIAL = ["<unk>", "<s>", "</s>"]
UNKNOWN, BOS, EOS = range(3)
BYTES = ["<0x0A>"]
LETTERS = ["\u2581"] + list(string.ascii_letters + string.digits + ".,!?'-:")
# Common first; U+2581 stands for a space.
MERGES = [
    "\u2581t", "he", "in", "er", "an", "re", "on", "at", "en", "nd",
    "st", "or", "te", "of", "ed", "is", "it", "al", "ar", "\u2581a", "\u2581s", "ou",
]  # fmt: skip
TOKENS = SPECIAL + BYTES + LETTERS + MERGES


def encode(text):
    """Ids of `text` after the beginning-of-sequence token."""
    return Tokenizer.from_str(json.dumps(hugging_face())).encode(text).ids


def hugging_face():
    """tokenizer.json"""
    bos = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    space = {"String": " "}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [dict(id=i, content=token, **flags) for i, token in enumerate(SPECIAL)],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "\u2581"},
                {"type": "Replace", "pattern": space, "content": "\u2581"},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [
                bos,
                {"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 0}},
            ],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [BOS], "tokens": ["<s>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(TOKENS)},
            "merges": [list(pair) for pair in MERGES],
        },
    }


def hugging_face_config():
    """tokenizer_config.json"""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "clean_up_tokenization_spaces": False,
    }


def add_to_gguf(writer):
    kind = gguf.TokenType
    n_plain = len(LETTERS) + len(MERGES)
    # Joined pairs before letters, the first merge highest.
    scores = [0.0] * (len(SPECIAL) + len(BYTES)) + [-100.0] * len(LETTERS)
    scores += [-float(rank) for rank in range(len(MERGES))]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(TOKENS)
    writer.add_token_scores(scores)
    writer.add_token_types(
        [kind.UNKNOWN, kind.CONTROL, kind.CONTROL, kind.BYTE] + [kind.NORMAL] * n_plain
    )
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(True)
