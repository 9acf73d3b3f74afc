"""Tool calls and their results, and thinking that has to come back with them."""

from __future__ import annotations

import json

from conversation import Conversation
from drivers.neutral import Ask, Said, Tool

WEATHER = Tool(
    "get_weather",
    "The weather of a city",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
)
TIME = Tool("get-time", "The time in a zone", {"type": "object", "properties": {"zone": {"type": "string"}}})
PING = Tool("ping", "Nothing to tell", {"type": "object", "properties": {}})
ARGS = {"get_weather": {"city": "mock city", "days": 7}, "get-time": {"zone": "mock zone"}, "ping": {}}
RESULTS = ["sunny ☀️, 晴れ", 'say "12:00"']


def check_calls(said: Said, *names: str) -> None:
    assert [(call.name, call.args) for call in said.calls] == [(name, ARGS[name]) for name in names]
    ids = [call.id for call in said.calls]
    assert all(ids) and len(set(ids)) == len(ids), "every call needs an id of its own"
    assert said.stop == "calls"


def check_results(talk: Conversation, said: Said, results: list[str]) -> None:
    """The simulator quotes what came as the results, in order."""
    quoted = said.text.removeprefix("The tool returned: ").split(" | ")
    if "gemini" in talk.cell.pair:  # Its results are objects: a text is one of their members.
        quoted = [json.loads(result)["result"] for result in quoted]
        assert "\\u" not in said.text, "no model should have to read escapes"
    assert quoted == results
    assert said.stop == "end" and said.calls == []


def test_parallel_calls_and_their_results_keep_their_order(talk: Conversation) -> None:
    said = talk.say(talk.cell.model("parallel"), Ask("Weather and time, please.", tools=(WEATHER, TIME)))
    check_calls(said, "get_weather", "get-time")
    check_results(talk, talk.give(said, RESULTS), RESULTS)


def test_a_call_after_text_without_arguments(talk: Conversation) -> None:
    said = talk.say(talk.cell.model("text-tool"), Ask("ping it", tools=(PING,)))
    check_calls(said, "ping")
    assert said.text == "I will call a tool for this."
    check_results(talk, talk.give(said, RESULTS[:1]), RESULTS[:1])


def test_thinking_comes_back_with_its_seal(talk: Conversation) -> None:
    ask = Ask("What is the weather?", tools=(WEATHER,), thinking=True)
    said = talk.say(talk.cell.model("think-tool"), ask)
    check_calls(said, "get_weather")
    assert said.thoughts.startswith("The user said “What is the weather?”.")
    # `think-tool` insists on its own seal, also where the client has no member to carry it.
    answer = talk.give(said, RESULTS[:1], talk.cell.model("think-tool"))
    check_results(talk, answer, RESULTS[:1])
