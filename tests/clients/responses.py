"""OpenAI's newer dialect: answers that are kept, and streams of typed events."""

import openai

import functions
from functions import RESULT, WORD, Clock, Weather, typed

QUESTION = "What is the capital of France? Answer in one short sentence."
TOOLS = [
    {
        "type": "function",
        "name": function.__name__,
        "description": function.__doc__,
        "parameters": functions.schema(function),
        "strict": True,
    }
    for function in (Weather, Clock)
]


def checks():
    return [whole, events, stream, kept, form, calls, calls_streamed, round_trip]


def ask(client, model, **asked):
    asked = dict(model=model, input=QUESTION, temperature=0, max_output_tokens=30) | asked
    return client.responses.create(**asked)


def whole(client, model):
    answer = typed(ask(client, model))
    assert answer.status == "completed" and "Paris" in answer.output_text, answer
    assert answer._request_id, answer
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0
    items = [{"role": "user", "content": [{"type": "input_text", "text": QUESTION}]}]
    again = ask(client, model, input=items)
    assert again.output_text == answer.output_text, again
    short = typed(ask(client, model, instructions="Be brief.", max_output_tokens=2))
    assert short.status == "incomplete", short
    assert short.incomplete_details.reason == "max_output_tokens", short


def events(client, model):
    found = [typed(event) for event in ask(client, model, stream=True)]
    assert [event.sequence_number for event in found] == list(range(len(found)))
    deltas = [event for event in found if event.type == "response.output_text.delta"]
    others = [event.type for event in found if event not in deltas]
    assert others == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ], others
    text = "".join(event.delta for event in deltas)
    assert text == found[-1].response.output_text == ask(client, model).output_text, text
    [*_, cut] = ask(client, model, stream=True, max_output_tokens=2)
    assert cut.type == "response.incomplete", cut


def stream(client, model):
    asked = dict(model=model, input=QUESTION, temperature=0, max_output_tokens=30)
    with client.responses.stream(**asked) as stream:
        for event in stream:
            last = event
        final = stream.get_final_response()
    assert last.type == "response.completed", last
    assert final.output_text == ask(client, model).output_text, final
    # An answer that was a stream is kept too.
    assert client.responses.retrieve(final.id).output_text == final.output_text


def kept(client, model):
    first = ask(client, model)
    found = typed(client.responses.retrieve(first.id))
    assert found.to_dict() == first.to_dict(), found
    [item] = client.responses.input_items.list(first.id)
    assert typed(item).role == "user" and item.content[0].text == QUESTION, item
    then = "What did I ask you about? Repeat my question."
    second = ask(client, model, input=then, previous_response_id=first.id)
    by_hand = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": then},
    ]
    told = ask(client, model, input=by_hand)
    assert second.output_text == told.output_text, (second, told)
    assert second.usage.input_tokens == told.usage.input_tokens, (second.usage, told.usage)
    client.responses.delete(first.id)
    unkept = ask(client, model, store=False).id
    for gone in (
        lambda: client.responses.retrieve(first.id),
        lambda: client.responses.delete(first.id),
        lambda: client.responses.input_items.list(first.id),
        lambda: ask(client, model, previous_response_id=first.id),
        lambda: client.responses.retrieve(unkept),
    ):
        try:
            gone()
        except openai.NotFoundError as error:
            assert error.body["message"], error.body
        else:
            raise AssertionError(first.id)
    # It was kept in the one after it.
    assert client.responses.retrieve(second.id).previous_response_id == first.id


def form(client, model):
    schema = functions.schema(Weather)
    form = {"type": "json_schema", "name": "weather", "strict": True, "schema": schema}
    answer = typed(ask(client, model, text={"format": form}, max_output_tokens=200))
    found = Weather.model_validate_json(answer.output_text)
    asked = dict(model=model, input=QUESTION, temperature=0, max_output_tokens=200)
    assert client.responses.parse(**asked, text_format=Weather).output_parsed == found
    with client.responses.stream(**asked, text_format=Weather) as stream:
        assert stream.get_final_response().output_parsed == found


def call_once(client, model, **asked):
    asked = dict(tools=TOOLS, parallel_tool_calls=False, max_output_tokens=200) | asked
    return ask(client, model, **asked)


def calls(client, model):
    for choice, names in [
        ("required", ["Weather", "Clock"]),
        ({"type": "function", "name": "Clock"}, ["Clock"]),
    ]:
        answer = typed(call_once(client, model, tool_choice=choice))
        [call] = answer.output
        assert call.type == "function_call" and call.name in names and call.call_id, answer
        functions.check(call.name, call.arguments)
    for choice in ("auto", "none"):
        answer = typed(call_once(client, model, tool_choice=choice, max_output_tokens=20))
        assert answer.output_text and answer.output[0].type == "message", answer


def calls_streamed(client, model):
    whole = call_once(client, model, tool_choice="required").output[0]
    found = [
        typed(event) for event in call_once(client, model, tool_choice="required", stream=True)
    ]
    parts = "response.function_call_arguments.delta"
    arguments = "".join(event.delta for event in found if event.type == parts)
    [done] = [e for e in found if e.type == "response.function_call_arguments.done"]
    assert arguments == done.arguments == whole.arguments, found
    asked = dict(model=model, input=QUESTION, temperature=0, tools=TOOLS, tool_choice="required")
    with client.responses.stream(**asked, parallel_tool_calls=False) as stream:
        [call] = stream.get_final_response().output
    assert (call.name, call.arguments) == (whole.name, whole.arguments), call


def round_trip(client, model):
    question = {"role": "user", "content": functions.QUESTION}
    named = {"type": "function", "name": "Weather"}
    called = call_once(client, model, input=[question], tool_choice=named)
    [call] = called.output
    result = {"type": "function_call_output", "call_id": call.call_id, "output": RESULT}
    asked = dict(tools=TOOLS, max_output_tokens=40)
    after = ask(client, model, **asked, input=[result], previous_response_id=called.id)
    told = ask(client, model, **asked, input=[question, call.to_dict(), result])
    assert WORD in after.output_text, after
    assert after.output_text == told.output_text, (after, told)
