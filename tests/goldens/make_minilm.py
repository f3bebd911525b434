"""Vectors of texts by a real encoder, as transformers computes them.

    target/goldens-venv/bin/python tests/goldens/make_minilm.py [FOLDER]

FOLDER is that of all-MiniLM-L6-v2, which ../fetch_models.py fetches.
"""

import json
import pathlib
import sys

import torch
from transformers import AutoModel, AutoTokenizer

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = pathlib.Path("~/.cache/lookback-models/all-MiniLM-L6-v2").expanduser()

# Two that mean the same and one that does not, three times; then what is special.
TEXTS = [
    "The tenant must pay the rent on the first day of each month.",
    "Rent is due at the start of every month.",
    "The recipe needs two eggs and a cup of flour.",
    "How do I reset my password?",
    "I forgot my login and want to choose a new one.",
    "The train to the coast leaves at noon.",
    "A cat is sleeping on the sofa.",
    "A kitten naps on the couch.",
    "The committee approved next year's budget.",
    "",
    "Ünïcödé, 東京 and 🦀!",
    "word " * 200,
]


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    cases = []
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        with torch.no_grad():
            vector = model(torch.tensor([ids])).last_hidden_state[0].mean(0)
        vector = torch.nn.functional.normalize(vector, dim=0)
        cases.append(dict(text=text, token_ids=ids, embedding=[round(x, 8) for x in vector.tolist()]))
    golden = dict(file=folder.name, cases=cases)
    (HERE / "minilm.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
