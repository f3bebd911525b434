"""Vectors of texts, and texts in the order in which they answer a question.

    vectors.py http://127.0.0.1:8080 MODEL

MODEL is one of those that are served, all-MiniLM-L6-v2 or another that makes vectors.
"""

import json
import math
import sys
import urllib.request

import ollama
import openai

QUERY = "How do I cook rice?"
RELEVANT = "Rinse the grains, add twice as much water, and simmer for a quarter of an hour."
TEXTS = [
    "The parliament met on Tuesday to vote on the budget.",
    RELEVANT,
    "Her bicycle has a flat tyre.",
]


def main():
    address, model = sys.argv[1:]
    for check in (embed, embeddings, rerank):
        check(address, model)
        print(f"vectors: {check.__name__}")


def embed(address, model):
    client = ollama.Client(address)
    assert client.show(model).capabilities == ["embedding"]
    found = client.embed(model, TEXTS)
    assert len(found.embeddings) == len(TEXTS) and found.prompt_eval_count > 0, found
    [query] = client.embed(model, QUERY).embeddings
    assert math.isclose(dot(query, query), 1, rel_tol=1e-4), dot(query, query)
    scores = [dot(query, vector) for vector in found.embeddings]
    assert max(scores) == scores[TEXTS.index(RELEVANT)], scores


def embeddings(address, model):
    """The same vectors as Ollama's client gets, as bytes and as numbers."""
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
    expected = ollama.Client(address).embed(model, TEXTS).embeddings
    # Bytes are what the client asks for by itself.
    for form in ({}, {"encoding_format": "float"}):
        answer = client.embeddings.create(model=model, input=TEXTS, **form)
        assert [entry.index for entry in answer.data] == [0, 1, 2], answer.usage
        for entry, vector in zip(answer.data, expected):
            assert all(map(near, entry.embedding, vector)), form


def rerank(address, model):
    """No client of ours speaks it: as plain JSON."""
    body = dict(model=model, query=QUERY, documents=TEXTS)
    for path in ("/v1/rerank", "/rerank"):
        results = post(address + path, body)["results"]
        assert sorted(result["index"] for result in results) == [0, 1, 2], results
        scores = [result["relevance_score"] for result in results]
        assert scores == sorted(scores, reverse=True), results
        assert TEXTS[results[0]["index"]] == RELEVANT, results
    documents = [{"text": text} for text in TEXTS]
    body |= dict(documents=documents, top_n=1, return_documents=True)
    [best] = post(f"{address}/v1/rerank", body)["results"]
    assert best["document"]["text"] == RELEVANT, best


def post(address, body):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def near(a, b):
    # Bytes have the precision of f32.
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-8)


if __name__ == "__main__":
    main()
