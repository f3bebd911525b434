"""Has lm-evaluation-harness score a server, and compares with answers that are asked for by hand.

    check.py http://127.0.0.1:8080 MODEL.gguf

MODEL.gguf is what is served, smollm2-135m. The harness cuts texts into tokens itself, with a
tokenizer made from the vocabulary in that file, so that nothing is downloaded, and asks the server
with tokens. By hand it is asked with texts.
"""

import http.client
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

import gguf
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

# Nothing beside the server is asked, by no proxy.
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "NO_PROXY": "*"}
# As GGUF numbers what controls the model.
CONTROL = 3
TASKS = pathlib.Path(__file__).parent / "tasks"


def main():
    address, file = sys.argv[1:]
    server = Server(address)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        shutil.copytree(TASKS, folder, dirs_exist_ok=True)
        bos = write_tokenizer(file, folder / "tokenizer")
        results, samples = evaluate(address, server.model, folder)
    facts(server, results["lookback_facts"], samples["facts"])
    questions(server, results["lookback_questions"], samples["questions"])
    texts(server, samples["texts"], bos)


class Server:
    """Asked by hand."""

    def __init__(self, address):
        self.address = urllib.parse.urlparse(address)
        self.model = self.ask("GET", "/v1/models")["data"][0]["id"]

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.address.netloc, timeout=600)
        connection.request(method, path, json.dumps(body) if body else None)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert response.status == 200, (response.status, text)
        return json.loads(text)

    def complete(self, prompt, **asked):
        body = dict(model=self.model, prompt=prompt, temperature=0, **asked)
        return self.ask("POST", "/v1/completions", body)["choices"][0]

    def score(self, context, end):
        """How likely `end` is behind `context`, and whether each of its tokens is the likeliest."""
        logprobs = self.complete(context + end, max_tokens=0, echo=True, logprobs=1)["logprobs"]
        first = next(i for i, at in enumerate(logprobs["text_offset"]) if at >= len(context))
        assert logprobs["text_offset"][first] == len(context), (context, end, logprobs)
        found = logprobs["token_logprobs"][first:]
        likeliest = [max(top.values()) for top in logprobs["top_logprobs"][first:]]
        return sum(found), found == likeliest


def write_tokenizer(file, folder):
    """As a Hugging Face folder; returns the text of the token that begins texts."""
    fields = gguf.GGUFReader(file).fields

    def field(name):
        return fields[f"tokenizer.ggml.{name}"].contents()

    assert field("pre") == "smollm", "another model than smollm2-135m"
    tokens, kinds = field("tokens"), field("token_type")
    merges = [tuple(merge.split(" ")) for merge in field("merges")]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    digits = pre_tokenizers.Digits(individual_digits=True)
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, letters])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([t for t, kind in zip(tokens, kinds) if kind == CONTROL])
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    ends = {f"{name}_token": tokens[field(f"{name}_token_id")] for name in ("bos", "eos")}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **ends}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return config["bos_token"]


def evaluate(address, model, folder):
    """What the harness found, by task, and what it asked and got."""
    names = [path.stem for path in TASKS.glob("*.yaml")]
    of_model = {
        "model": model,
        "base_url": f"{address}/v1/completions",
        "tokenizer": "tokenizer",
        "tokenizer_backend": "huggingface",
        "num_concurrent": 4,
        "max_retries": 1,
    }
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "local-completions"]
    command += ["--model_args", ",".join(f"{name}={value}" for name, value in of_model.items())]
    command += ["--tasks", ",".join(f"lookback_{name}" for name in names), "--include_path", "."]
    command += ["--batch_size", "2", "--output_path", "found", "--log_samples"]
    environment = os.environ | ENVIRONMENT | {"HF_HOME": str(folder / "cache")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    [results] = folder.glob("found/*/results_*.json")
    samples = {}
    for name in names:
        [path] = folder.glob(f"found/*/samples_lookback_{name}_*.jsonl")
        samples[name] = [json.loads(line) for line in path.read_text().splitlines()]
    return json.loads(results.read_text())["results"], samples


def facts(server, results, samples):
    """Which of several ends is the likeliest, as it is and by letter."""
    n_right, n_right_by_letter = 0, 0
    for sample in samples:
        doc = sample["doc"]
        scores = [server.score(doc["question"], f" {end}") for end in doc["choices"]]
        found = [(float(score), greedy == "True") for [[score, greedy]] in sample["resps"]]
        assert found == scores, (doc, found, scores)
        sums = [score for score, _ in scores]
        by_letter = [score / len(end) for score, end in zip(sums, doc["choices"])]
        n_right += sums.index(max(sums)) == doc["answer"]
        n_right_by_letter += by_letter.index(max(by_letter)) == doc["answer"]
    assert results["acc,none"] == n_right / len(samples), results
    assert results["acc_norm,none"] == n_right_by_letter / len(samples), results
    print(f"lm-eval: {len(samples)} facts, {n_right} right, each likelihood as asked by hand")


def questions(server, results, samples):
    """Answers up to the first of some texts."""
    n_right = 0
    for sample in samples:
        [[found]] = sample["resps"]
        until = sample["arguments"]["gen_args_0"]["arg_1"]
        asked = dict(max_tokens=until["max_gen_toks"], stop=until["until"])
        text = server.complete(sample["doc"]["question"], **asked)["text"]
        assert found == text, (sample["doc"], found, text)
        n_right += text == sample["target"]
    assert results["exact_match,none"] == n_right / len(samples), results
    print(f"lm-eval: {len(samples)} answers as asked by hand")


def texts(server, samples, bos):
    """How likely whole texts are."""
    for sample in samples:
        [[found]] = sample["resps"]
        score, _ = server.score(bos, sample["target"])
        assert float(found) == score, (sample["doc"], found, score)
    print(f"lm-eval: {len(samples)} texts as asked by hand")


if __name__ == "__main__":
    main()
