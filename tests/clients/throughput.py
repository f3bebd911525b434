"""How fast a server answers many streams at once: lookback's, llama.cpp's or another like them.

    throughput.py http://127.0.0.1:8080 [--streams 8] [--prompt-tokens 256] [--answer-tokens 128]
                  [--rounds 1] [--seed SEED] [--model NAME] [--key KEY]

Each stream asks `--rounds` times, one after the other: POST /v1/completions with a prompt of exactly
so many tokens (the server's own /tokenize cuts it), temperature 0 and ignore_eos, so that answers
are as long as asked. Prompts are words by chance. They depend on the seed, which is another one each
time unless it is given: a server that keeps prompts has next to nothing to reuse. One short request
comes first and is not counted.

One JSON line comes out. Tokens are counted as the server reports them, never by parts:

    tokens_per_s                generated tokens of all streams, by the seconds between the first
                                request and the last part
    first_token_ms_p50, _p95    from before connecting to the first part with text
    between_tokens_ms_p50, _p99 between two parts with text of one answer; near 0 between those that
                                one step of the server made, where it drafts tokens
    each_token_ms_p50, _p99     an answer's time behind its first part, by its other tokens
    tokens_per_part             generated tokens by parts with text; above 1 where a part holds
                                several, as for letters that are several tokens
    cached_tokens               of the prompts, where the server says so; should be next to 0

To compare two servers give both as many streams (`lookback serve --parallel 8`,
`llama-server --parallel 8`), the same context for each stream, and the same seed. The greedy answers
of a small model soon repeat themselves, which is easy for whoever drafts tokens. With 8 streams this
program takes a few percent of one core itself.
"""

import argparse
import asyncio
import dataclasses
import json
import math
import random
import sys
import time
import urllib.parse

WORDS = """time year people way day man thing woman life child world school state family student
group country problem hand part place case week company system program question work government
number night point home water room mother area money story fact month lot right study book eye job
word business issue side kind head house service friend father power hour game line end member law
car city community name president team minute idea body information back parent face level office
door health person art war history party result change morning reason research girl guy moment air
teacher force education river stone bread winter music letter garden engine paper bridge""".split()
N_WARM_PROMPT, N_WARM_ANSWER = 16, 8


@dataclasses.dataclass
class Answer:
    start: float
    # When each part with text came.
    parts: list
    n_prompt: int
    n_cached: int
    n_generated: int


def main():
    options = parse()
    try:
        print(json.dumps(asyncio.run(measure(options))))
    except (OSError, EOFError, ValueError) as error:
        sys.exit(f"throughput.py: {error!r}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address")
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--prompt-tokens", type=int, default=256)
    parser.add_argument("--answer-tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--model")
    parser.add_argument("--key")
    return parser.parse_args()


async def measure(options):
    server = Server(options.address, options.key)
    if options.model is None:
        options.model = (await server.ask("GET", "/v1/models"))["data"][0]["id"]
    generator = random.Random(options.seed)
    warm = await prompt(server, options.model, generator, N_WARM_PROMPT)
    await complete(server, options.model, warm, N_WARM_ANSWER)
    n_requests = options.streams * options.rounds
    prompts = [
        await prompt(server, options.model, generator, options.prompt_tokens)
        for _ in range(n_requests)
    ]

    async def stream(number):
        own = prompts[number :: options.streams]
        return [await complete(server, options.model, ids, options.answer_tokens) for ids in own]

    streams = await asyncio.gather(*map(stream, range(options.streams)))
    return report(options, [answer for answers in streams for answer in answers])


def report(options, answers):
    seconds = max(a.parts[-1] for a in answers) - min(a.start for a in answers)
    n_generated = sum(answer.n_generated for answer in answers)
    firsts = [answer.parts[0] - answer.start for answer in answers]
    gaps = [b - a for answer in answers for a, b in zip(answer.parts, answer.parts[1:])]
    longer = [answer for answer in answers if answer.n_generated > 1]
    means = [(a.parts[-1] - a.parts[0]) / (a.n_generated - 1) for a in longer]
    return {
        "model": options.model,
        "streams": options.streams,
        "rounds": options.rounds,
        "seed": options.seed,
        "seconds": round(seconds, 3),
        "prompt_tokens": sum(answer.n_prompt for answer in answers),
        "cached_tokens": sum(answer.n_cached for answer in answers),
        "generated_tokens": n_generated,
        "tokens_per_s": round(n_generated / seconds, 2),
        "first_token_ms_p50": milliseconds(firsts, 0.5),
        "first_token_ms_p95": milliseconds(firsts, 0.95),
        "between_tokens_ms_p50": milliseconds(gaps, 0.5),
        "between_tokens_ms_p99": milliseconds(gaps, 0.99),
        "each_token_ms_p50": milliseconds(means, 0.5),
        "each_token_ms_p99": milliseconds(means, 0.99),
        "tokens_per_part": round(n_generated / sum(len(a.parts) for a in answers), 3),
    }


def milliseconds(seconds, share):
    """The least that `share` of them do not exceed; None of nothing."""
    if not seconds:
        return None
    return round(sorted(seconds)[max(math.ceil(share * len(seconds)) - 1, 0)] * 1000, 3)


async def prompt(server, model, generator, n_tokens):
    # A word has one token at least.
    text = " ".join(generator.choice(WORDS) for _ in range(n_tokens))
    tokens = (await server.ask("POST", "/tokenize", {"model": model, "content": text}))["tokens"]
    return tokens[:n_tokens]


async def complete(server, model, ids, n_tokens):
    body = {"model": model, "prompt": ids, "max_tokens": n_tokens, "temperature": 0}
    body |= {"ignore_eos": True, "stream": True, "stream_options": {"include_usage": True}}
    start, events, rest = time.perf_counter(), [], b""
    async for block in server.blocks("POST", "/v1/completions", body):
        now = time.perf_counter()
        *lines, rest = (rest + block).split(b"\n")
        events += [(now, line) for line in lines if line.startswith(b"data: ")]
    # Read when all has come, so that nobody waits for it.
    answer = Answer(start, [], len(ids), 0, 0)
    for at, line in events:
        data = line.removeprefix(b"data: ").strip()
        if data != b"[DONE]":
            note(answer, at, json.loads(data))
    if not answer.parts or not answer.n_generated:
        raise ValueError(f"an answer without text or usage: {events[-3:]}")
    return answer


def note(answer, at, event):
    if "error" in event:
        raise ValueError(event["error"])
    if any(choice.get("text") for choice in event.get("choices", [])):
        answer.parts.append(at)
    if timings := event.get("timings"):
        answer.n_generated = timings.get("predicted_n", answer.n_generated)
    if usage := event.get("usage"):
        answer.n_generated = usage["completion_tokens"]
        answer.n_prompt = usage["prompt_tokens"]
        details = usage.get("prompt_tokens_details") or {}
        answer.n_cached = details.get("cached_tokens") or 0


class Server:
    """Spoken to over plain sockets, a connection for each request."""

    def __init__(self, address, key):
        address = urllib.parse.urlparse(address)
        self.place = (address.hostname, address.port or 80)
        self.head = f"Host: {address.netloc}\r\nConnection: close\r\n"
        if key:
            self.head += f"Authorization: Bearer {key}\r\n"

    async def ask(self, method, path, body=None):
        return json.loads(b"".join([block async for block in self.blocks(method, path, body)]))

    async def blocks(self, method, path, body):
        """The answer's body as it comes."""
        reader, writer = await asyncio.open_connection(*self.place)
        try:
            data = b"" if body is None else json.dumps(body).encode()
            head = f"{method} {path} HTTP/1.1\r\n{self.head}Content-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
            status, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            if status.split()[1] != "200":
                raise ValueError(f"{method} {path}: {status}: {(await reader.read()).decode()}")
            is_chunked = "transfer-encoding: chunked" in fields
            async for block in chunks(reader) if is_chunked else until_the_end(reader):
                yield block
        finally:
            writer.close()


async def chunks(reader):
    while size := int((await reader.readline()).split(b";")[0], 16):
        yield (await reader.readexactly(size + 2))[:-2]


async def until_the_end(reader):
    while block := await reader.read(1 << 16):
        yield block


if __name__ == "__main__":
    main()
