"""Tools and forms of answers, as OpenAI's client asks for them."""

import json

import openai

import functions
from functions import BY_NAME, MESSAGES, RESULT, WORD, Clock, Weather, typed

TOOLS = [openai.pydantic_function_tool(function) for function in (Weather, Clock)]
# Far more than a call has.
N_TOKENS_MAX = 200


def checks():
    return [json_schema, json_object, no_call, forced_calls, forced_calls_streamed, round_trip]


def ask(client, model, **asked):
    asked = dict(model=model, messages=MESSAGES, temperature=0, max_tokens=N_TOKENS_MAX) | asked
    return client.chat.completions.create(**asked)


def json_schema(client, model):
    schema = {"type": "json_schema", "json_schema": {"name": "weather", "strict": True}}
    schema["json_schema"]["schema"] = functions.schema(Weather)
    answer = typed(ask(client, model, response_format=schema))
    assert answer.choices[0].finish_reason == "stop", answer
    whole = answer.choices[0].message.content
    Weather.model_validate_json(whole)
    chunks = ask(client, model, response_format=schema, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole
    asked = dict(model=model, messages=MESSAGES, temperature=0, max_tokens=N_TOKENS_MAX)
    parsed = client.chat.completions.parse(**asked, response_format=Weather)
    assert parsed.choices[0].message.parsed == Weather.model_validate_json(whole), parsed
    with client.chat.completions.stream(**asked, response_format=Weather) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.parsed == parsed.choices[0].message.parsed, final


def json_object(client, model):
    messages = [{"role": "user", "content": "Answer in JSON: the capital of France, as capital."}]
    answer = ask(client, model, messages=messages, response_format={"type": "json_object"})
    # An object may be longer than there is room for; what is there is the beginning of one.
    choice = answer.choices[0]
    assert choice.message.content.startswith("{"), choice
    if choice.finish_reason == "stop":
        assert isinstance(json.loads(choice.message.content), dict), choice


def no_call(client, model):
    """A small model calls nothing by itself, and nobody calls what is forbidden."""
    for choice in ("auto", "none"):
        asked = dict(tools=TOOLS, tool_choice=choice, max_tokens=20)
        message = typed(ask(client, model, **asked)).choices[0].message
        assert message.content and not message.tool_calls, (choice, message)
        chunks = list(ask(client, model, **asked, stream=True))
        assert not any(chunk.choices[0].delta.tool_calls for chunk in chunks), choice
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert text == message.content, (choice, text)


def choices():
    """A choice of tools, and the names that may be called then."""
    yield "required", set(BY_NAME)
    for name in BY_NAME:
        yield {"type": "function", "function": {"name": name}}, {name}


def forced_calls(client, model):
    for choice, names in choices():
        for several in (True, False):
            answer = typed(
                ask(client, model, tools=TOOLS, tool_choice=choice, parallel_tool_calls=several)
            )
            message, reason = answer.choices[0].message, answer.choices[0].finish_reason
            assert reason == "tool_calls" or (several and reason == "length"), answer
            assert several or len(message.tool_calls) == 1, answer
            for call in message.tool_calls:
                assert call.id and call.function.name in names, answer
                functions.check(call.function.name, call.function.arguments)


def forced_calls_streamed(client, model):
    for choice, names in choices():
        asked = dict(tools=TOOLS, tool_choice=choice, parallel_tool_calls=False)
        whole = ask(client, model, **asked).choices[0].message.tool_calls[0].function
        chunks = [typed(chunk) for chunk in ask(client, model, **asked, stream=True)]
        assert chunks[-1].choices[0].finish_reason == "tool_calls", chunks[-1]
        parts = [part for chunk in chunks for part in chunk.choices[0].delta.tool_calls or []]
        assert {part.index for part in parts} == {0} and parts[0].id, parts
        assert parts[0].function.name == whole.name in names, parts
        arguments = "".join(part.function.arguments or "" for part in parts)
        assert arguments == whole.arguments, (arguments, whole)
        with client.chat.completions.stream(
            model=model, messages=MESSAGES, temperature=0, max_tokens=N_TOKENS_MAX, **asked
        ) as stream:
            message = stream.get_final_completion().choices[0].message
        parsed = message.tool_calls[0].function.parsed_arguments
        assert parsed == functions.check(whole.name, whole.arguments), message


def round_trip(client, model):
    """A call, what came of it, and an answer that knows of it."""
    asked = dict(tools=TOOLS, parallel_tool_calls=False)
    named = {"type": "function", "function": {"name": "Weather"}}
    called = ask(client, model, **asked, tool_choice=named).choices[0].message
    call = called.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": RESULT}
    answer = ask(client, model, **asked, messages=MESSAGES + [called, result], max_tokens=40)
    message = answer.choices[0].message
    assert message.content and WORD in message.content, message
