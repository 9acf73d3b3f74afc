"""Streams that break after content came: the SDK must raise its own error, at once, and keep what it heard."""

from __future__ import annotations

import time

import pytest
from conversation import Conversation
from drivers.neutral import Ask
from plan import CELLS, Cell
from test_tools import TIME, WEATHER

#: Seconds in which a broken stream has to be known as broken.
QUICK = 5.0
FAULTS = ["close-mid-event:3", "error-after:3", "malformed:3", "no-finish"]


@pytest.fixture(params=[cell for cell in CELLS if cell.stream], ids=str)
def cell(request: pytest.FixtureRequest) -> Cell:
    return request.param


@pytest.mark.parametrize("fault", FAULTS)
def test_a_stream_that_breaks_after_content_raises(talk: Conversation, fault: str) -> None:
    began = time.monotonic()
    failure = talk.fail(talk.cell.model(f"echo+fault={fault}"), Ask("one two three four five six seven eight nine ten"))
    assert failure.kind == "broken", failure
    assert time.monotonic() - began < QUICK
    assert talk.driver.heard.startswith("You said: one"), "what came before the break is the client's"
    assert len(talk.bodies()) == 1, "after the commit point nobody else is asked"


def test_a_broken_stream_of_calls_raises(talk: Conversation) -> None:
    ask = Ask("Weather and time, please.", tools=(WEATHER, TIME))
    failure = talk.fail(talk.cell.model("parallel+fault=no-finish"), ask)
    assert failure.kind == "broken", failure
