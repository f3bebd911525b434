"""Asks for the views of an answer, and holds them against single rows of attention.

    views.py http://127.0.0.1:8080
"""

import json
import math
import sys
import urllib.error
import urllib.request

TEXT = "The deposit is 1,880 euros. The rent is 940 euros.\n\nHow much is the deposit?"
SUBJECT = {
    "messages": [{"role": "user", "content": TEXT}],
    "answer": "The deposit is 1,880 euros.",
}


def main():
    ask = asking(sys.argv[1])
    overview = ask("overview", {})
    for check in [texts, strip, tiles, grid, look, knock_out, refusals]:
        check(ask, overview)
        print(f"views: {check.__name__}")


def asking(address):
    def ask(name, fields):
        body = json.dumps(SUBJECT | fields).encode()
        request = urllib.request.Request(f"{address}/v1/inspect/{name}", body)
        try:
            with urllib.request.urlopen(request) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            return {"status": error.code} | json.load(error)

    return ask


def texts(ask, overview):
    pieces, n_prompt = overview["pieces"], overview["n_prompt"]
    assert "".join(pieces[n_prompt:]) == SUBJECT["answer"], pieces
    [message] = overview["messages"]
    assert "".join(pieces[slice(*message["tokens"])]) == TEXT, message
    sentences = ["".join(pieces[slice(*span)]).strip() for span in overview["sentences"]]
    assert sentences == TEXT.replace("\n\n", " ").replace(". ", ".|").split("|"), sentences


def rows(ask):
    """All weights of the rows that wrote the answer: {query: {(layer, head): {key: weight}}}."""
    found = {}
    for row in ask("rows", {"top": 100_000})["rows"]:
        weights = dict(zip(row["keys"], row["weights"]))
        found.setdefault(row["query"], {})[row["layer"], row["head"]] = weights
    return found


def strip(ask, overview):
    tokens = ask("strip", {})["tokens"]
    assert len(tokens) == len(overview["answer"]), tokens
    for nth, by_head in enumerate(rows(ask).values()):
        shares = []
        for weights in by_head.values():
            prompt = sum(w for key, w in weights.items() if 0 < key < overview["n_prompt"])
            # Heads that rest on the first key alone look at nothing else.
            if 1 - weights[0] > 1e-6:
                shares.append(prompt / (1 - weights[0]))
        token = tokens[nth]
        assert near(token["sink"], mean(w[0] for w in by_head.values())), (nth, token)
        assert near(token["context"], mean(shares)), (nth, token, mean(shares))


def tiles(ask, overview):
    queries = list(rows(ask).values())[2:5]
    asked = {"tokens": [2, 5], "by": "weight", "block": 1, "heads": [[3, 2], [29, 8]]}
    found = ask("tiles", asked)
    assert found["n_rows"] == 3 and found["keys"] == [0, overview["n_prompt"] + 2], found
    for key in range(1, overview["n_prompt"]):
        all_heads = mean(mean(w.get(key, 0) for w in by_head.values()) for by_head in queries)
        assert near(found["values"][key], all_heads), (key, all_heads)
        for nth, head in enumerate(map(tuple, asked["heads"])):
            one = mean(by_head[head].get(key, 0) for by_head in queries)
            assert near(found["heads"][nth]["values"][key], one), (key, head)


def grid(ask, overview):
    span = overview["sentences"][0]
    heads = ask("grid", {"span": span})["heads"]
    assert len(heads) == overview["n_layers"] * overview["n_heads"]
    queries = rows(ask).values()
    for head in heads:
        place = head["layer"], head["head"]
        weight = mean(sum(q[place].get(key, 0) for key in range(*span)) for q in queries)
        assert near(head["weight"], weight), (head, weight)
        assert math.isfinite(head["log_lift"]) and head["entropy"] >= 0, head
    tokens = ask("readers", {"span": span})["tokens"]
    assert near(mean(h["weight"] for h in heads), mean(t["weight"] for t in tokens))


def look(ask, overview):
    [part] = ask("look", {"tokens": [4, 8], "check": 1, "by": "weight"})["parts"]
    first = overview["n_prompt"]
    assert part["tokens"] == {"start": first + 4, "end": first + 8}, part
    best = part["ranked"][0]
    found = ask("look", {"tokens": [4, 8], "each": "word"})
    assert found["error"]["param"] == "tokens", found
    assert best["knock_out"] is not None, best


def knock_out(ask, overview):
    span = overview["sentences"][0]
    found = ask("knock_out", {"span": span, "tokens": [4, 8]})
    lost = sum(token["logprob"] - token["without"] for token in found["tokens"])
    assert near(found["nats_lost"], lost) and found["nats_lost"] > 0, found
    assert [token["piece"] for token in found["tokens"]] == ["1", ",", "8", "8"], found


def refusals(ask, _overview):
    for name, fields, said in [
        ("tiles", {"tokens": [0, 99]}, "tokens 0 to 99 of the answer"),
        ("tiles", {"tokens": [0]}, "two"),
        ("tiles", {"heads": [[30, 0]]}, "head 0 of layer 30"),
        ("tiles", {"heads": [[0, 0]] * 9}, "at most 8"),
        ("tiles", {"by": "magic"}, "weight, value_norm or logit"),
        ("grid", {}, "span"),
        ("grid", {"span": [5, 5]}, "tokens 5 to 5 of the prompt"),
        ("readers", {"span": [0, 10**9]}, "of the prompt"),
        ("knock_out", {"span": [3, 2]}, "tokens 3 to 2"),
    ]:
        found = ask(name, fields)
        assert found.get("status") == 400 and said in found["error"]["message"], (name, found)


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def near(a, b):
    """Four digits: those of a reply are rounded, those of another pass are not the same bits."""
    return abs(a - b) <= 2e-4 * max(abs(a), abs(b)) + 2e-6


if __name__ == "__main__":
    main()
