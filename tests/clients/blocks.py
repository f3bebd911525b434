"""Tools and reasoning, as Anthropic's client asks for them."""

import functions
from functions import BY_NAME, MESSAGES, RESULT, WORD, typed

# What newer clients of Anthropic have no argument for.
GREEDY = {"temperature": 0}
TOOLS = [
    {"name": name, "description": function.__doc__, "input_schema": functions.schema(function)}
    for name, function in BY_NAME.items()
]


def checks():
    return [calls, calls_streamed, round_trip, thinking]


def ask(client, model, **asked):
    asked = dict(model=model, max_tokens=200, messages=MESSAGES, extra_body=GREEDY) | asked
    return client.messages.create(**asked)


def choices():
    """A choice of tools, and the names that may be called then."""
    once = {"disable_parallel_tool_use": True}
    yield {"type": "any"} | once, set(BY_NAME)
    for name in BY_NAME:
        yield {"type": "tool", "name": name} | once, {name}


def calls(client, model):
    for choice, names in choices():
        answer = typed(ask(client, model, tools=TOOLS, tool_choice=choice))
        [call] = answer.content
        assert answer.stop_reason == "tool_use" and call.type == "tool_use", answer
        assert call.name in names and call.id, answer
        functions.check(call.name, call.input)
    several = ask(client, model, tools=TOOLS, tool_choice={"type": "any"})
    for call in several.content:
        functions.check(call.name, call.input)
    for choice in ({"type": "auto"}, {"type": "none"}):
        answer = typed(ask(client, model, tools=TOOLS, tool_choice=choice, max_tokens=20))
        assert [block.type for block in answer.content] == ["text"], answer


def calls_streamed(client, model):
    for choice, _ in choices():
        [whole] = ask(client, model, tools=TOOLS, tool_choice=choice).content
        asked = dict(model=model, max_tokens=200, messages=MESSAGES, extra_body=GREEDY)
        with client.messages.stream(**asked, tools=TOOLS, tool_choice=choice) as stream:
            events = list(stream)
            final = typed(stream.get_final_message())
        [call] = final.content
        assert final.stop_reason == "tool_use", final
        assert (call.name, call.input) == (whole.name, whole.input), final
        parts = [event.partial_json for event in events if event.type == "input_json"]
        assert functions.check(call.name, "".join(parts)).model_dump() == call.input, parts
        for event in ask(client, model, tools=TOOLS, tool_choice=choice, stream=True):
            typed(event)


def round_trip(client, model):
    choice = {"type": "tool", "name": "Weather", "disable_parallel_tool_use": True}
    called = ask(client, model, tools=TOOLS, tool_choice=choice)
    [call] = called.content
    for content in (RESULT, [{"type": "text", "text": RESULT}]):
        result = {"type": "tool_result", "tool_use_id": call.id, "content": content}
        messages = MESSAGES + [
            {"role": "assistant", "content": called.content},
            {"role": "user", "content": [result]},
        ]
        answer = ask(client, model, tools=TOOLS, messages=messages, max_tokens=40)
        assert WORD in answer.content[0].text, answer


def thinking(client, model):
    """A model that does not reason answers all the same."""
    budget = {"type": "enabled", "budget_tokens": 1024}
    asked = dict(max_tokens=1030, stop_sequences=["."], thinking=budget)
    answer = typed(ask(client, model, **asked))
    assert answer.content[0].text and answer._request_id, answer
    plain = ask(client, model, **asked | {"thinking": {"type": "disabled"}})
    assert plain.content[0].text == answer.content[0].text, (plain, answer)
