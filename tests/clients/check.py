"""Asks a server what people's programs ask it, with the clients that they use.

    check.py http://127.0.0.1:8080

The server has one real model, smollm2-135m or another that talks.
"""

import json
import sys

import anthropic
import blocks
import openai
import responses
import tools

QUESTION = "What is the capital of France? Answer in one short sentence."
# What newer clients of Anthropic have no argument for.
GREEDY = {"temperature": 0}
MESSAGES = [{"role": "user", "content": QUESTION}]


def main():
    address = sys.argv[1]
    of_openai = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
    of_anthropic = anthropic.Anthropic(base_url=address, api_key="none", max_retries=0)
    model = of_openai.models.list().data[0].id
    assert of_openai.models.retrieve(model).id == model
    of_openai_alone = [chat, chat_stream, chat_choices, logprobs, texts, scores, openai_errors]
    of_anthropic_alone = [message, message_stream, count, anthropic_errors]
    for name, client, checks in [
        ("openai", of_openai, of_openai_alone),
        ("openai, tools", of_openai, tools.checks()),
        ("openai, responses", of_openai, responses.checks()),
        ("anthropic", of_anthropic, of_anthropic_alone),
        ("anthropic, tools", of_anthropic, blocks.checks()),
    ]:
        for check in checks:
            check(client, model)
            print(f"{name}: {check.__name__}")


def chat(client, model):
    answer = client.chat.completions.create(
        model=model, messages=MESSAGES, temperature=0, max_completion_tokens=30, seed=1
    )
    assert answer._request_id, answer
    choice = answer.choices[0]
    assert choice.finish_reason == "stop", choice
    assert "Paris" in choice.message.content, choice
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0, usage
    again = client.chat.completions.create(
        model=model, messages=MESSAGES, temperature=0, max_completion_tokens=30
    )
    assert again.choices[0].message.content == choice.message.content
    assert again.usage.prompt_tokens_details.cached_tokens == usage.prompt_tokens - 1, again.usage


def chat_stream(client, model):
    asked = dict(model=model, messages=MESSAGES, temperature=0.8, seed=7, max_tokens=24)
    whole = client.chat.completions.create(**asked)
    chunks = list(
        client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content, (text, whole)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0
    # Greedy: an answer that runs into max_tokens is an error to this part of the client.
    asked = dict(model=model, messages=MESSAGES, temperature=0, max_tokens=24)
    with client.chat.completions.stream(**asked) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content


def chat_choices(client, model):
    answer = client.chat.completions.create(
        model=model, messages=MESSAGES, n=3, temperature=1.0, seed=3, max_tokens=12, stop=["\n\n"]
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    parts = [{"type": "text", "text": QUESTION}]
    developer = {"role": "developer", "content": "Be brief."}
    answer = client.chat.completions.create(
        model=model, messages=[developer, {"role": "user", "content": parts}], max_tokens=12
    )
    assert answer.choices[0].message.role == "assistant"


def logprobs(client, model):
    answer = client.chat.completions.create(
        model=model, messages=MESSAGES, temperature=0, max_tokens=8, logprobs=True, top_logprobs=5
    )
    for place in answer.choices[0].logprobs.content:
        assert place.logprob <= 0 and len(place.top_logprobs) == 5
        assert place.top_logprobs[0].token == place.token
        assert bytes(place.bytes).decode() == place.token


def texts(client, model):
    asked = dict(model=model, prompt="The capital of France is", temperature=0, max_tokens=6)
    whole = client.completions.create(**asked)
    assert "Paris" in whole.choices[0].text, whole
    chunks = client.completions.create(**asked, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text


def scores(client, model):
    """As evaluation harnesses do: which of two ends is likelier."""
    ends = [" Paris", " a sandwich"]
    answer = client.completions.create(
        model=model,
        prompt=[f"The capital of France is{end}" for end in ends],
        echo=True,
        logprobs=1,
        max_tokens=0,
    )
    sums = []
    for choice, end in zip(answer.choices, ends):
        offset = choice.logprobs.text_offset
        first = next(i for i, at in enumerate(offset) if at >= len("The capital of France is"))
        assert "".join(choice.logprobs.tokens[first:]) == end, choice
        sums.append(sum(choice.logprobs.token_logprobs[first:]))
    assert sums[0] > sums[1], sums


def openai_errors(client, model):
    for error, change in [
        (openai.BadRequestError, dict(temperature=-1)),
        (openai.BadRequestError, dict(messages=[])),
        (openai.BadRequestError, dict(extra_body={"nonsense": 1})),
        (openai.NotFoundError, dict(model="gpt-4o")),
    ]:
        try:
            client.chat.completions.create(**dict(model=model, messages=MESSAGES) | change)
        except error as found:
            assert found.body["message"] and found.body["param"] and found.request_id, found.body
        else:
            raise AssertionError(change)


def message(client, model):
    asked = dict(model=model, max_tokens=30, messages=MESSAGES, extra_body=GREEDY)
    answer = client.messages.create(**asked)
    assert answer.stop_reason == "end_turn" and "Paris" in answer.content[0].text, answer
    assert answer._request_id, answer
    system = [{"type": "text", "text": "Answer with a single word."}]
    short = client.messages.create(model=model, max_tokens=3, system=system, messages=MESSAGES)
    assert short.usage.output_tokens <= 3
    begun = MESSAGES + [{"role": "assistant", "content": "The capital of France is"}]
    answer = client.messages.create(model=model, max_tokens=6, messages=begun, extra_body=GREEDY)
    assert "Paris" in answer.content[0].text, answer
    stopped = client.messages.create(**asked, stop_sequences=["Paris"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "Paris"), stopped


def message_stream(client, model):
    asked = dict(model=model, max_tokens=30, messages=MESSAGES, extra_body=GREEDY)
    with client.messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert final.content[0].text == text == client.messages.create(**asked).content[0].text
    assert final.stop_reason == "end_turn" and final.usage.output_tokens > 0


def count(client, model):
    counted = client.messages.count_tokens(model=model, messages=MESSAGES)
    answer = client.messages.create(model=model, max_tokens=1, messages=MESSAGES)
    usage = answer.usage
    assert counted.input_tokens == usage.input_tokens + usage.cache_read_input_tokens


def anthropic_errors(client, model):
    for error, change in [
        (anthropic.BadRequestError, dict(extra_body={"temperature": -1})),
        (anthropic.BadRequestError, dict(extra_body={"nonsense": 1})),
        (anthropic.NotFoundError, dict(model="claude")),
    ]:
        try:
            client.messages.create(**dict(model=model, max_tokens=5, messages=MESSAGES) | change)
        except error as found:
            assert found.body["error"]["message"] and found.request_id, json.dumps(found.body)
        else:
            raise AssertionError(change)


if __name__ == "__main__":
    main()
