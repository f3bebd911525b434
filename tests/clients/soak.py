"""Many clients at once, for a while: every answer is the one that it is alone, and nothing grows.

    soak.py http://127.0.0.1:8080 PID SECONDS

PID is the server's process; its memory is read where there is /proc.
"""

import http.client
import json
import random
import re
import sys
import threading
import time
import urllib.parse

N_CLIENTS = 64
# Of the answers, those that are not read to their end.
SHARE_HUNG_UP = 0.1
# Of the resident memory in the second half, between its least and its most. Before two minutes are
# over the cache is still being filled, and only what leaks fast is seen.
GROWTH_MAX, GROWTH_MAX_SHORT, SHORT = 0.02, 0.25, 120

WORDS = "the tenant pays rent on time because every month has a first day and a last one".split()


def requests():
    """Short and long prompts, short and long answers, whole and in parts."""
    generator = random.Random(5)
    for i in range(40):
        n_words = generator.choice([3, 10, 40, 300])
        text = " ".join(generator.choice(WORDS) for _ in range(n_words))
        yield dict(
            messages=[{"role": "user", "content": f"{i}: {text}"}],
            max_tokens=generator.choice([1, 8, 20, 60]),
            temperature=generator.choice([0, 0.8, 1.2]),
            seed=i,
            stream=i % 2 == 0,
        )


def ask(address, body, hangs_up=False):
    """The text of the answer; None where nobody waited for it."""
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=600)
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    response = connection.getresponse()
    if hangs_up:
        response.read(1)
        connection.close()
        return None
    text = response.read().decode()
    connection.close()
    assert response.status == 200, (response.status, text)
    if not body["stream"]:
        return json.loads(text)["choices"][0]["message"]["content"]
    frames = [frame.removeprefix("data: ") for frame in text.split("\n\n") if frame[:1] != ":"]
    assert frames[-2:] == ["[DONE]", ""], frames[-3:]
    choices = [json.loads(frame)["choices"][0] for frame in frames[:-2]]
    return "".join(choice["delta"].get("content", "") for choice in choices)


def resident(pid):
    try:
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read())[1])
    except OSError:
        return 0


def in_flight(address):
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    connection.request("GET", "/health")
    return json.loads(connection.getresponse().read())["in_flight"]


def main():
    address, pid, seconds = urllib.parse.urlparse(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    asked = list(requests())
    alone = [ask(address, body) for body in asked]
    end, problems, n_answers = time.monotonic() + seconds, [], [0] * N_CLIENTS

    def client(number):
        generator = random.Random(number)
        while time.monotonic() < end and not problems:
            i = generator.randrange(len(asked))
            try:
                found = ask(address, asked[i], generator.random() < SHARE_HUNG_UP)
            except Exception as error:
                problems.append(f"request {i}: {error!r}")
                return
            if found not in (None, alone[i]):
                problems.append(f"request {i}: {found!r}, alone {alone[i]!r}")
            n_answers[number] += found is not None

    clients = [threading.Thread(target=client, args=[number]) for number in range(N_CLIENTS)]
    for thread in clients:
        thread.start()
    sizes = []
    while any(thread.is_alive() for thread in clients):
        sizes.append(resident(pid))
        time.sleep(0.5)
    assert not problems, problems[0]
    for _ in range(1000):
        if in_flight(address) == 0:
            break
        time.sleep(0.01)
    else:
        raise AssertionError("places that nobody holds are not free")
    later = sizes[len(sizes) // 2 :]
    growth = (max(later) - min(later)) / max(max(later), 1)
    print(
        f"{sum(n_answers)} answers to {N_CLIENTS} clients in {seconds:.0f} s, each as alone; "
        f"{max(later) / 1024:.0f} MiB resident, {growth:.1%} between least and most"
    )
    growth_max = GROWTH_MAX if seconds >= SHORT else GROWTH_MAX_SHORT
    assert growth <= growth_max, f"memory grew by {growth:.1%}"


if __name__ == "__main__":
    main()
