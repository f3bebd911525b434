"""Asks a server whatever its own document says may be asked, and what it says may not be.

    document.py http://127.0.0.1:8080

Schemathesis makes the requests from /openapi.json and checks the answers. Here they are made small,
and those that would be refused at the first look become some that are not: the document says that
messages are a list, not of what. What becomes of a request is drawn by what it says, so that it is
the same every time.
"""

import json
import os
import sys
import tempfile
import urllib.error
import urllib.request
import zlib

import schemathesis
from schemathesis.cli import schemathesis as command

SEED, N_EXAMPLES_MAX = 1, 50
REQUEST_SECONDS_MAX = 20
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    # The document is loose about what is inside of some fields, but what it forbids is refused.
    "negative_data_rejection",
]

MOST = dict.fromkeys(["max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict"], 4)
MOST |= {"n": 2, "best_of": 2}

USER = {"role": "user", "content": "Hi"}
CALL = {"name": "f", "arguments": "{}"}
SCHEMA = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}
FUNCTION = {"name": "f", "description": "It does.", "parameters": SCHEMA}
CALLED = {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": CALL}]}
USED = {"type": "tool_use", "id": "1", "name": "f", "input": {}}
FORMAT = {"type": "json_schema", "name": "a", "schema": SCHEMA}

# What people send, most of it sensible, by the name of the field.
LIKELY = {
    "messages": [
        [USER],
        [{"role": "system", "content": "Be brief."}, USER],
        [USER, {"role": "assistant", "content": "He"}],
        [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        [USER, CALLED, {"role": "tool", "tool_call_id": "1", "content": "5"}],
        [
            USER,
            {"role": "assistant", "content": [USED]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1"}]},
        ],
        [{"role": "user"}],
        [{"role": "user", "content": None}],
        [{"role": "assistant", "content": ""}],
        [{"role": "nobody", "content": "Hi"}],
    ],
    "input": [
        "Hi",
        [USER],
        ["Hi", "Ho"],
        [
            USER,
            {"type": "function_call", "call_id": "1"} | CALL,
            {"type": "function_call_output", "call_id": "1", "output": "5"},
        ],
    ],
    "prompt": ["Hi", "", [1, 2], ["Hi", "Ho"], [[1, 2], [3]], []],
    "query": ["Hi"],
    "documents": [["Hi", {"text": "Ho"}], []],
    "content": ["Hi", ""],
    "tokens": [[1, 2], []],
    "tools": [
        [],
        [{"type": "function", "function": FUNCTION}],
        [{"type": "function"} | FUNCTION],
        [{"name": "f", "input_schema": SCHEMA}],
        [{"type": "function", "function": {"name": "f"}}],
    ],
    "tool_choice": [
        "auto",
        "none",
        "required",
        {"type": "any"},
        {"type": "tool", "name": "f"},
        {"type": "function", "name": "f"},
        {"type": "function", "function": {"name": "f"}},
    ],
    "response_format": [
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": FORMAT},
    ],
    "json_schema": [SCHEMA, {}, False],
    "guided_json": [SCHEMA],
    "guided_regex": ["[ab]+", "(", ""],
    "guided_grammar": ['root ::= "a" | "b"', 'start: "a" | "b"'],
    "grammar": ['root ::= "a" | "b"', ""],
    "structured_outputs": [{"json": SCHEMA}, {"regex": "[ab]+"}, {"choice": ["a", "b"]}],
    "format": ["json", "", SCHEMA],
    "text": [{}, {"format": {"type": "text"}}, {"format": FORMAT}],
    "output_config": [{}, {"effort": "low"}, {"format": FORMAT}],
    "thinking": [{"type": "enabled", "budget_tokens": 1024}, {"type": "disabled"}],
    "think": [True, False, "low"],
    "reasoning": [{}, {"effort": "low"}, {"effort": None}],
    "reasoning_effort": ["low", "none"],
    "options": [{"num_predict": 3}, {"num_predict": 4, "temperature": 0.5, "seed": 1, "stop": "a"}],
    "stop": [["a"], "a"],
    "logit_bias": [{"1": 5}, {"1": -100}],
    "logprobs": [True, 3],
    "top_logprobs": [3],
    "kv_policy": ["all", "window=64"],
    "truncation": ["disabled"],
    "background": [False],
    "modalities": [["text"]],
    "suffix": [""],
}
NEEDED = ["messages", "input", "prompt", "query", "documents", "content", "tokens"]


def main():
    address = sys.argv[1]
    with urllib.request.urlopen(f"{address}/v1/models", timeout=60) as response:
        LIKELY["model"] = [model["id"] for model in json.load(response)["data"]]
    measure_heads(address)
    arguments = ["run", f"{address}/openapi.json", "--checks", ",".join(CHECKS)]
    arguments += ["--phases", "coverage,fuzzing", "--continue-on-failure", "--warnings", "off"]
    arguments += ["--seed", str(SEED), "--max-examples", str(N_EXAMPLES_MAX)]
    arguments += ["--request-timeout", str(REQUEST_SECONDS_MAX), "--generation-database", "none"]
    with tempfile.TemporaryDirectory() as folder:
        # What is learned stays with those who learned it.
        os.chdir(folder)
        command(arguments)


def measure_heads(address):
    """Once a model, for whoever asks first: it takes longer than a request may later on."""
    for model in LIKELY["model"]:
        body = json.dumps({"model": model}).encode()
        request = urllib.request.Request(f"{address}/v1/inspect/heads", body)
        request.add_header("Content-Type", "application/json")
        try:
            urllib.request.urlopen(request, timeout=600).close()
        except urllib.error.HTTPError as error:
            # A model that writes nothing has no heads to measure.
            assert error.code < 500, error


@schemathesis.hook
def before_call(context, case, kwargs):
    parameters = case.path_parameters or {}
    if "name" in parameters and draw([True, False], parameters):
        case.path_parameters = {"name": draw(LIKELY["model"], parameters)}
    if isinstance(case.body, dict):
        content = case.operation.definition.raw["requestBody"]["content"]
        known = content["application/json"]["schema"]["properties"]
        case.body = small(likely(case.body, known), known)


def likely(body, known):
    """The same with fewer fields that nobody knows, and with what people send in those they do."""
    kept = {name: value for name, value in body.items() if name in known or one_of(4, name, body)}
    for name in sorted(set(LIKELY) & set(known)):
        choices, value = LIKELY[name], body.get(name)
        is_missing = name in NEEDED and value is None
        # A kind that nobody sends is left for the server to refuse.
        is_alike = any(type(value) is type(choice) for choice in choices)
        if is_missing or (is_alike and not one_of(4, name, body)):
            kept[name] = draw(choices, name, body)
    return kept


def small(body, known):
    """With a bound for every answer. Numbers that are none are left for the server to refuse."""
    names = [name for name in ("max_tokens", "max_output_tokens") if name in known]
    body = bounded(body, names)
    if isinstance(options := body.get("options", {}), dict | None) and "options" in known:
        body["options"] = bounded(options or {}, ["num_predict"])
    return body


def bounded(fields, names):
    """`names` are always there."""
    fields = fields | {name: MOST[name] for name in names if fields.get(name) is None}
    found = {name: fields[name] for name in MOST if type(fields.get(name)) is int}
    return fields | {name: min(value, MOST[name]) for name, value in found.items()}


def one_of(n, *seed):
    return draw(range(n), *seed) == 0


def draw(choices, *seed):
    return choices[zlib.crc32(json.dumps(seed, sort_keys=True).encode()) % len(choices)]


if __name__ == "__main__":
    main()
