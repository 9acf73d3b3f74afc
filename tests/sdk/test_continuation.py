"""Streams that break after content, and another account that goes on: the SDKs read one answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import received
from conversation import Conversation
from drivers import driver
from drivers.neutral import Ask
from plan import CELLS, Cell
from stack import Stack

WORDS = "one two three four\n\nfive six seven eight nine ten, eleven twelve thirteen fourteen fifteen sixteen 世界 ends."
STREAMS = [cell for cell in CELLS if cell.stream]
#: Responses providers take no begun answer.
GOING_ON = [cell for cell in STREAMS if cell.upstream != "openai_responses"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = Stack(tmp_path_factory.mktemp("continuation"), continuation="auto")
    yield running
    running.stop()


@pytest.fixture
def talk(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Conversation]:
    cell: Cell = request.param
    stack.forget()
    stack.logs()
    yield Conversation(stack, cell, driver(cell.client, stack.url))
    for sent in stack.received():
        received.check(sent)


@pytest.mark.parametrize("talk", GOING_ON, ids=str, indirect=True)
def test_a_stream_that_another_account_goes_on_with_is_one_answer(talk: Conversation) -> None:
    model = talk.cell.model(group="torn-next")
    said = talk.say(model, Ask(WORDS))
    assert said.text == f"You said: {WORDS}"
    assert said.stop == "end"
    assert talk.asked_accounts() == talk.keys("torn-next", 0, 1)
    begun = (talk.bodies()[1].get("messages") or talk.bodies()[1].get("contents"))[-1]
    assert begun["role"] in ("assistant", "model")
    # What the SDK made of it can be sent back.
    said = talk.go_on(said, "And now?", talk.cell.model())
    assert said.text == "You said: And now?"


@pytest.mark.parametrize("talk", STREAMS, ids=str, indirect=True)
def test_a_thought_that_breaks_off_is_thought_anew_and_comes_back_without_harm(talk: Conversation) -> None:
    ask = Ask("Why is the sky blue? 空", thinking=True)
    whole = talk.say(talk.cell.model("think"), ask)
    talk.stack.forget()
    said = talk.say(talk.cell.model("think", group="musing-next"), ask)
    assert said.text == whole.text
    assert said.stop == "end"
    assert talk.asked_accounts() == talk.keys("musing-next", 0, 1)
    # The client keeps what it was shown of the first thought; the second one is whole.
    assert said.thoughts.endswith(whole.thoughts)
    broken = said.thoughts.removesuffix(whole.thoughts).strip()
    assert broken and whole.thoughts.startswith(broken)
    # The provider takes the turn back: the simulator refuses a thought that it has not sealed.
    again = talk.go_on(said, "And now?", talk.cell.model("think"))
    assert "And now?" in again.text
    body = str(talk.bodies()[-1])
    if talk.cell.upstream in ("anthropic", "openai_responses"):
        assert body.count(broken) == body.count(whole.thoughts)
