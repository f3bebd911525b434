"""What a model may call, and what it gets back: the same for every client."""

from typing import Literal

import pydantic

QUESTION = "How is the weather in Paris?"
MESSAGES = [{"role": "user", "content": QUESTION}]
# What the tool says, and a word of it that an answer is expected to have.
RESULT, WORD = "It rains frogs in Paris.", "rain"


class Weather(pydantic.BaseModel):
    """Tells the weather of a city."""

    model_config = pydantic.ConfigDict(extra="forbid")

    city: Literal["Paris", "Rome"]
    n_days: int = pydantic.Field(ge=1, le=9)


class Clock(pydantic.BaseModel):
    """Tells the time of a zone."""

    model_config = pydantic.ConfigDict(extra="forbid")

    zone: Literal["UTC", "CET"]


BY_NAME = {"Weather": Weather, "Clock": Clock}


def check(name, arguments):
    """Arguments as JSON or read already."""
    if isinstance(arguments, str):
        return BY_NAME[name].model_validate_json(arguments)
    return BY_NAME[name].model_validate(arguments)


def schema(function):
    return function.model_json_schema()


def typed(answer):
    """Held against the client's own type, which clients don't do themselves."""
    type(answer).model_validate(answer.to_dict())
    return answer
