"""A tiny WordPiece vocabulary as BERT has it, and what transformers makes of odd texts."""

import json
import pathlib
import string
import tempfile

import gguf
import transformers

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PAD, UNKNOWN, CLS, SEP, MASK = range(5)
LETTERS = list(string.ascii_lowercase + string.digits + ".,:;!?'-#$[]\u00df\u4eac")
WORDS = "the heat of sun is on it and a red hen cafe he ##n ##at ##d ##ed un ##able \u6771".split()
TOKENS = SPECIAL + LETTERS + [f"##{letter}" for letter in string.ascii_lowercase[:20]]
TOKENS += [word for word in WORDS if word not in LETTERS + TOKENS]

TEXTS = [
    "The heat of the sun is on it, and a red hen.",
    "",
    " ",
    "\t the\n\nsun\r\n ",
    "caf\u00e9 CAFE\u0301 CAF\u00c9",
    "\u6771\u4eac\u90fd and \u6771 \u4eac",
    "hened heated unable xyz",
    "it's a red-hen!? $9.10 #12;:",
    "[CLS] the [SEP] [UNK] [MASK] [PAD]",
    "un##able ##able",
    "Stra\u00dfe \u0130 \u1e9e \u03a3\u03c3\u03c2",
    "\ufb01ne \uff34he \u2167",
    "the\u00a0sun\u3000is\u200bhere\u00adnow",
    "\u0000the\u0001\ufffdsun\ufeff",
    "\U0001f999 the \U0001f999\U0001f999sun",
    "\u0e17\u0e14\u0e2a\u0e2d\u0e1a \u0939\u093f\u0928 \u05e9\u05dc\u05d5\u05dd",
    "a" * 100,
    "a" * 101,
    "hen." * 30,
    "\u201cthe\u201d \u2014 \u2026 \u20ac5 \u00a77 a_b a^b `~",
]


def tokenizer():
    return transformers.BertTokenizer(vocab={token: i for i, token in enumerate(TOKENS)})


def write(folder):
    """`tokenizer.json`: the vocabulary as folders of BERT hold it; `expected.json`: texts, ids."""
    folder.mkdir(exist_ok=True)
    encode = tokenizer()
    expected = [{"text": t, "ids": encode(t, add_special_tokens=False).input_ids} for t in TEXTS]
    for name, value in [("tokenizer", hugging_face()), ("expected", expected)]:
        text = json.dumps(value, ensure_ascii=False, indent=1)
        (folder / f"{name}.json").write_text(text + "\n")


def encode(text):
    """Ids of `text` between the tokens that begin and end it."""
    return tokenizer()(text).input_ids


def hugging_face():
    """tokenizer.json, which published files have set to cut and to fill up texts."""
    with tempfile.TemporaryDirectory() as temporary:
        tokenizer().save_pretrained(temporary)
        value = json.loads((pathlib.Path(temporary) / "tokenizer.json").read_text())
    value["truncation"] = dict(
        direction="Right", max_length=16, strategy="LongestFirst", stride=0
    )
    value["padding"] = dict(
        strategy={"Fixed": 16},
        direction="Right",
        pad_to_multiple_of=None,
        pad_id=PAD,
        pad_type_id=0,
        pad_token="[PAD]",
    )
    return value


def hugging_face_config():
    """tokenizer_config.json"""
    names = ("pad", "unk", "cls", "sep", "mask")
    return {f"{name}_token": token for name, token in zip(names, SPECIAL)}


def add_to_gguf(writer):
    """By the conventions of llama.cpp's converter: the start of a word is marked."""
    kind = gguf.TokenType

    def spelled(token):
        return token[2:] if token.startswith("##") else f"\u2581{token}"

    n_plain = len(TOKENS) - len(SPECIAL)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(SPECIAL + [spelled(token) for token in TOKENS[len(SPECIAL) :]])
    writer.add_token_scores([-1000.0] * len(TOKENS))
    writer.add_token_types([kind.CONTROL] * len(SPECIAL) + [kind.NORMAL] * n_plain)
    writer.add_token_type_count(2)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_sep_token_id(SEP)
    writer.add_pad_token_id(PAD)
    writer.add_mask_token_id(MASK)
