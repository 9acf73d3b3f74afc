"""Fixtures: the running stack, the cell under test, and a check of everything that the simulator received."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import received
from conversation import Conversation
from drivers import driver
from plan import CELLS, Cell
from stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The simulator and the gateway in front of it."""
    running = Stack(tmp_path_factory.mktemp("stack"))
    yield running
    running.stop()


@pytest.fixture(params=CELLS, ids=str)
def cell(request: pytest.FixtureRequest) -> Cell:
    """One client protocol on one provider dialect, unary or streamed."""
    return request.param


@pytest.fixture
def talk(stack: Stack, cell: Cell, request: pytest.FixtureRequest) -> Iterator[Conversation]:
    """A client in this cell; afterwards every request that the provider got has to fit the provider's own schema."""
    stack.forget()
    stack.logs()
    yield Conversation(stack, cell, driver(cell.client, stack.url))
    for sent in stack.received():
        received.check(sent)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Shows what gateway and simulator logged during a test that fails."""
    report = yield
    running = getattr(item, "funcargs", {}).get("stack")
    if report.failed and running is not None:
        for name, log in running.logs():
            report.sections.append((f"log of the {name}", log))
    return report
