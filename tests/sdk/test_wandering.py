"""One conversation whose provider changes at every turn: nobody refuses what another one made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import received
from conversation import Conversation
from drivers import driver
from drivers.neutral import Ask
from plan import CLIENTS, MODES, UPSTREAMS, Cell
from stack import Stack
from test_tools import ARGS, PING, TIME, WEATHER

#: The provider of each turn, and what it does: `call` asks for a tool with thinking before it, `answer` gets the result.
TURNS = [
    ("openai_responses", "think-tool"),
    ("anthropic", "answer"),
    ("gemini", "think-tool"),
    ("anthropic", "answer"),
    ("anthropic", "think-tool"),
    ("gemini", "answer"),
    ("openai_chat", "tool"),
    ("openai_responses", "answer"),
    ("gemini", "parallel"),
    ("openai_chat", "answer"),
    ("anthropic", "think-tool"),
    ("anthropic", "answer"),
]


@pytest.fixture(params=[(client, mode) for client in CLIENTS for mode in MODES], ids=lambda it: "-".join(it))
def wanderer(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Conversation]:
    client, mode = request.param
    stack.forget()
    stack.logs()
    talk = Conversation(stack, Cell(client, client, mode), driver(client, stack.url))
    yield talk
    for sent in stack.received():
        received.check(sent)


def test_ten_turns_over_four_dialects(wanderer: Conversation) -> None:
    ask = Ask("What is the weather, and what time is it?", tools=(WEATHER, TIME, PING), thinking=True)
    said = None
    for number, (dialect, does) in enumerate(TURNS):
        upstream = UPSTREAMS[dialect]
        # An answer to a tool result is told by the conversation itself, under any scenario.
        model = f"{upstream.short}/{upstream.model}+{'tool' if does == 'answer' else does}"
        if said is None:
            said = wanderer.say(model, ask)
        elif does == "answer":
            said = wanderer.give(said, [f"result {number}.{at}" for at in range(len(said.calls))], model)
        else:
            said = wanderer.go_on(said, f"And again, for the {number}th time?", model)
        if does == "answer":
            assert f"result {number}.0" in said.text, (number, said)
            assert said.calls == [], (number, said)
        else:
            assert said.calls and all(call.args == ARGS[call.name] for call in said.calls), (number, said)
    statuses = {record["status"] for record in wanderer.stack.received()}
    assert statuses == {200}, "no provider refused anything on the way"
    assert len(wanderer.stack.received()) == len(TURNS)
