"""Asks a server what people's programs ask Ollama, with its own client.

    of_ollama.py http://127.0.0.1:8080
"""

import sys

import ollama

import functions
from functions import BY_NAME, RESULT, WORD, Weather

QUESTION = "What is the capital of France? Answer in one short sentence."
MESSAGES = [{"role": "user", "content": QUESTION}]
GREEDY = {"temperature": 0, "num_predict": 30}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": function.__doc__,
            "parameters": functions.schema(function),
        },
    }
    for name, function in BY_NAME.items()
]


def main():
    client = ollama.Client(sys.argv[1])
    model = models(client)
    print("ollama: models")
    for check in (chat, generate, options, form, tools, errors):
        check(client, model)
        print(f"ollama: {check.__name__}")


def models(client):
    """What is served; the name of what talks."""
    names = [model.model for model in client.list().models]
    assert names == [model.model for model in client.ps().models], names
    shown = {name: client.show(name).capabilities for name in names}
    return next(name for name, capabilities in shown.items() if "completion" in capabilities)


def chat(client, model):
    asked = dict(model=model, messages=MESSAGES, options=GREEDY)
    whole = client.chat(**asked)
    assert "Paris" in whole.message.content and whole.message.role == "assistant", whole
    assert (whole.done, whole.done_reason, whole.model) == (True, "stop", model), whole
    assert whole.prompt_eval_count > 0 and whole.eval_count > 0 and whole.total_duration > 0, whole
    parts = list(client.chat(**asked, stream=True))
    assert "".join(part.message.content for part in parts) == whole.message.content, parts
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True], parts
    assert parts[-1].eval_count == whole.eval_count, parts[-1]
    assert client.chat(**asked | {"model": f"{model}:latest"}).message == whole.message


def generate(client, model):
    asked = dict(model=model, prompt=QUESTION, options=GREEDY)
    whole = client.generate(**asked)
    assert "Paris" in whole.response and whole.done_reason == "stop", whole
    assert whole.response == client.chat(model, MESSAGES, options=GREEDY).message.content, whole
    parts = list(client.generate(**asked, stream=True))
    assert "".join(part.response for part in parts) == whole.response, parts
    raw = client.generate(model=model, prompt="The capital of France is", raw=True, options=GREEDY)
    assert raw.response.startswith(" Paris"), raw
    client.generate(model=model, prompt=QUESTION, system="Be brief.", options=GREEDY)
    # How programs have a model loaded.
    assert client.generate(model=model).done_reason == "load"


def options(client, model):
    def ask(**options):
        return client.chat(model, MESSAGES, options=options)

    cut = ask(temperature=0, num_predict=3)
    assert (cut.done_reason, cut.eval_count) == ("length", 3), cut
    story = dict(model=model, prompt="Tell me a story.")
    warm = dict(temperature=1.5, num_predict=10)
    texts = [client.generate(**story, options=warm | {"seed": n}).response for n in (7, 7, 8)]
    assert texts[0] == texts[1] != texts[2], texts
    stopped = ask(**GREEDY, stop=["Paris"])
    assert stopped.done_reason == "stop" and "Paris" not in stopped.message.content, stopped
    typed = ollama.Options(temperature=0, num_predict=3, num_ctx=512, top_k=5, top_p=0.9)
    again = client.chat(model, MESSAGES, options=typed)
    assert again.message.content == cut.message.content, again


def form(client, model):
    options = {"temperature": 0, "num_predict": 200}
    asked = dict(model=model, messages=functions.MESSAGES, options=options)
    asked["format"] = functions.schema(Weather)
    whole = client.chat(**asked).message.content
    Weather.model_validate_json(whole)
    parts = client.chat(**asked, stream=True)
    assert "".join(part.message.content for part in parts) == whole
    text = client.generate(model, QUESTION, format=functions.schema(Weather), options=options)
    Weather.model_validate_json(text.response)
    anything = client.chat(**asked | {"format": "json"})
    assert anything.message.content.startswith("{"), anything


def tools(client, model):
    """A small model calls nothing by itself; what was called once comes back."""
    options = {"temperature": 0, "num_predict": 40}
    asked = dict(model=model, tools=TOOLS, options=options)
    whole = client.chat(**asked, messages=functions.MESSAGES).message
    assert whole.content and not whole.tool_calls, whole
    parts = list(client.chat(**asked, messages=functions.MESSAGES, stream=True))
    assert "".join(part.message.content for part in parts) == whole.content, parts
    call = {"function": {"name": "Weather", "arguments": {"city": "Paris", "n_days": 1}}}
    messages = functions.MESSAGES + [
        ollama.Message(role="assistant", tool_calls=[call]),
        {"role": "tool", "content": RESULT, "tool_name": "Weather"},
    ]
    answer = client.chat(**asked, messages=messages).message
    assert WORD in answer.content, answer


def errors(client, model):
    unknown = [
        lambda: client.chat("llama9", MESSAGES),
        lambda: list(client.chat("llama9", MESSAGES, stream=True)),
        lambda: client.generate("llama9", QUESTION),
        lambda: client.embed("llama9", QUESTION),
        lambda: client.show("llama9"),
    ]
    wrong = [
        lambda: client.chat(model, MESSAGES, options={"temperature": -1}),
        lambda: client.chat(model, MESSAGES, options={"nonsense": 1}),
        lambda: client.embed(model, QUESTION),
    ]
    for ask, status in [(ask, 404) for ask in unknown] + [(ask, 400) for ask in wrong]:
        try:
            ask()
        except ollama.ResponseError as error:
            assert error.status_code == status and error.error, error
        else:
            raise AssertionError(status)


if __name__ == "__main__":
    main()
