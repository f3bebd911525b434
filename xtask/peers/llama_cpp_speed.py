"""Speed of llama.cpp on a GGUF file, one JSON line a test, for `cargo xtask bench`.

usage: llama_cpp_speed.py MODE MODEL N_PROMPT N_DECODE DEPTH[,DEPTH] KV[,KV] N_THREADS

Each test runs once in one of the modes that llama.cpp offers a user (default, weights not repacked,
flash attention off); the caller repeats the whole and takes the best mode's median. Peak memory is
that above what Python and the library held before the model was opened.
"""

import contextlib
import json
import os
import random
import sys
import time

import llama_cpp

KV_TYPES = {"f32": 0, "f16": 1, "q8_0": 8}
# name: (repack weights at load, flash attention)
MODES = {"default": (True, 1), "no-repack": (False, 1), "fa-off": (True, 0)}
N_BATCH = 512


class Session:
    """One model in one context."""

    def __init__(self, model, n_ctx, kv, flash_attention, n_threads):
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = params.n_ubatch = N_BATCH
        params.n_threads = params.n_threads_batch = n_threads
        params.type_k = params.type_v = KV_TYPES[kv]
        params.flash_attn_type = flash_attention
        self.context = llama_cpp.llama_init_from_model(model, params)
        self.memory = llama_cpp.llama_get_memory(self.context)
        self.batch = llama_cpp.llama_batch_init(N_BATCH, 0, 1)
        vocab = llama_cpp.llama_model_get_vocab(model)
        self.n_vocab = llama_cpp.llama_vocab_n_tokens(vocab)

    def feed(self, first_pos, n_tokens):
        """Evaluates random tokens at positions first_pos.., logits of the last one."""
        for start in range(first_pos, first_pos + n_tokens, N_BATCH):
            n = min(N_BATCH, first_pos + n_tokens - start)
            self.batch.n_tokens = n
            for row in range(n):
                self.batch.token[row] = random.randrange(self.n_vocab)
                self.batch.pos[row] = start + row
                self.batch.n_seq_id[row] = 1
                self.batch.seq_id[row][0] = 0
                self.batch.logits[row] = start + row == first_pos + n_tokens - 1
            if llama_cpp.llama_decode(self.context, self.batch) != 0:
                sys.exit("llama_decode failed")
        llama_cpp.llama_synchronize(self.context)

    def forget_from(self, pos):
        llama_cpp.llama_memory_seq_rm(self.memory, 0, pos, -1)

    def close(self):
        llama_cpp.llama_batch_free(self.batch)
        llama_cpp.llama_free(self.context)


def tokens_per_second(n, work):
    start = time.perf_counter()
    work()
    return n / (time.perf_counter() - start)


def at_depth(session, depth, n_prompt, n_decode):
    session.forget_from(0)
    session.feed(0, depth)
    session.feed(depth, 1)  # wakes the threads
    session.forget_from(depth)
    if n_prompt:
        tps = tokens_per_second(n_prompt, lambda: session.feed(depth, n_prompt))
        yield f"pp{n_prompt}@d{depth}", tps
        session.forget_from(depth)
    if n_decode:

        def decode():
            for i in range(n_decode):
                session.feed(depth + i, 1)

        yield f"tg{n_decode}@d{depth}", tokens_per_second(n_decode, decode)


def resident_bytes(field):
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024


def main():
    mode, path, n_prompt, n_decode, depths, kvs, n_threads = sys.argv[1:]
    n_prompt, n_decode, n_threads = int(n_prompt), int(n_decode), int(n_threads)
    depths = [int(depth) for depth in depths.split(",")]
    repack, flash_attention = MODES[mode]
    llama_cpp.llama_backend_init()
    n_ctx = max(depths) + max(n_prompt, n_decode) + 8
    before = resident_bytes("VmRSS")
    params = llama_cpp.llama_model_default_params()
    params.use_extra_bufts = repack
    start = time.perf_counter()
    model = llama_cpp.llama_model_load_from_file(path.encode(), params)
    load_ms = 1e3 * (time.perf_counter() - start)
    for kv in kvs.split(","):
        if kv == "q8_0" and not flash_attention:
            continue  # llama.cpp wants flash attention for a quantised cache
        session = Session(model, n_ctx, kv, flash_attention, n_threads)
        for depth in depths:
            for test, tps in at_depth(session, depth, n_prompt, n_decode):
                line = {"test": test, "kv": kv, "mode": mode, "tps": tps, "load_ms": load_ms}
                line["peak_rss_bytes"] = resident_bytes("VmHWM") - before
                print(json.dumps(line), flush=True)
        session.close()
    llama_cpp.llama_model_free(model)


# llama.cpp logs to stderr, which belongs to real errors of this script.
with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
    main()
