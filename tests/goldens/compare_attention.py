"""How far apart two computations of all attention rows are.

    target/goldens-venv/bin/python tests/goldens/compare_attention.py DUMP.npz LOOKBACK.npz
        [--tv BOUND] [--entropy BOUND]

Both files hold `attention`, `[n_layers, n_heads, n_tokens, n_tokens]`, and the first may hold
`token_ids`, which must then be those of the second if it has any. Exit status 1 when a row's total
variation distance, or the difference of its entropies in nats, is above the bound.
"""

import argparse
import sys

import numpy as np


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("expected")
    parser.add_argument("found")
    parser.add_argument("--tv", type=float, default=np.inf)
    parser.add_argument("--entropy", type=float, default=np.inf)
    arguments = parser.parse_args()
    expected, expected_ids = read(arguments.expected)
    found, found_ids = read(arguments.found)
    if expected.shape != found.shape:
        sys.exit(f"shapes differ: {expected.shape}, {found.shape}")
    if expected_ids is not None and found_ids is not None:
        if not np.array_equal(expected_ids, found_ids):
            sys.exit("the token ids differ")
    distance = 0.5 * np.abs(expected - found).sum(-1)
    entropy = np.abs(entropies(expected) - entropies(found))
    n_layers, n_heads, n_tokens = distance.shape
    print(f"{distance.size} rows of {n_layers} layers, {n_heads} heads, {n_tokens} tokens")
    report("total variation", distance)
    report("entropy, nats", entropy)
    for name, attention in ("first", expected), ("second", found):
        sums = attention.sum(-1)
        hidden = np.abs(np.triu(attention, 1)).max()
        print(f"{name}: rows sum to {sums.min():.8f} to {sums.max():.8f}; {hidden} where hidden")
    # Not a number is above every bound.
    good = distance.max() <= arguments.tv and entropy.max() <= arguments.entropy
    sys.exit(0 if good else 1)


def read(path):
    with np.load(path) as arrays:
        ids = arrays["token_ids"].ravel() if "token_ids" in arrays else None
        return arrays["attention"].astype(np.float64), ids


def entropies(attention):
    return -(attention * np.log(np.where(attention > 0, attention, 1.0))).sum(-1)


def report(name, rows):
    layer, head, query = np.unravel_index(np.argmax(rows), rows.shape)
    print(
        f"{name}: max {rows.max():.3e} in layer {layer}, head {head}, query {query}; "
        f"median {np.median(rows):.3e}"
    )


if __name__ == "__main__":
    main()
