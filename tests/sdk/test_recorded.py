"""Recorded answers, sent again byte for byte and in random pieces: every client reads the same out of them."""

from __future__ import annotations

import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from drivers import driver
from drivers.neutral import Ask, Said
from plan import CLIENTS, UPSTREAMS
from recordings import ALL, Recording
from stack import Stack

#: Ends that all protocols can tell.
STOPS = ("end", "calls", "length", "refusal")
#: What stands for a picture where a protocol has none in answers.
NOTE = re.compile(r"\[The model made a part of type [^\]]*\]")


@pytest.fixture(params=ALL, ids=str)
def recording(request: pytest.FixtureRequest) -> Recording:
    return request.param


@pytest.fixture(params=[None, 7], ids=["whole", "pieces"])
def model(stack: Stack, recording: Recording, request: pytest.FixtureRequest) -> Iterator[str]:
    """The model name under which the simulator sends the recording."""
    name = f"{recording.name}-{request.param}"
    query = {"content-type": "text/event-stream" if recording.stream else "application/json"}
    if request.param is not None:
        query["pieces"] = str(request.param)
    url = f"{stack.mock_url}/_mock/recordings/{name}?{urllib.parse.urlencode(query)}"
    put = urllib.request.Request(url, data=recording.file.read_bytes(), method="PUT")
    urllib.request.urlopen(put, timeout=10).close()
    stack.logs()
    yield f"{UPSTREAMS[recording.dialect].short}/recorded-{name}"


def read(stack: Stack, client: str, model: str, stream: bool) -> dict[str, Any]:
    speaker = driver(client, stack.url)
    speaker.sums = False
    ask = Ask("hi")
    return told(speaker.send(model, speaker.opening(ask), ask, stream))


def told(said: Said) -> dict[str, Any]:
    """What has to be the same for all clients."""
    usage = said.usage
    return {
        "text": said.text + said.refusal,
        "calls": [(call.name, call.args) for call in said.calls],
        "stop": said.stop,
        "usage": (usage.input, usage.output, usage.cached, usage.reasoning or 0) if usage else None,
    }


def differs(member: str, native: dict[str, Any], said: dict[str, Any]) -> bool:
    known, heard = native[member], said[member]
    match member:
        case "text" if NOTE.search(heard):
            return NOTE.sub("", heard) != known
        case "text" if native["stop"] not in ("end", "calls", "length"):
            # The reason of a refusal stands apart from the text in some protocols.
            return not heard.startswith(known)
        case "stop" if known not in STOPS:
            # Each protocol has its own words for what is no end of an answer (queued, an unexpected call).
            return False
        case "usage" if known is None or heard is None:
            return any(known or heard or ())
        case "usage":
            # Compatible servers tell the cached part under names that the SDK does not know, and some count thinking
            # beside the output instead of within it.
            output = known[1] if known[3] <= known[1] else known[1] + known[3]
            return heard[:2] != (known[0], output) or known[2] not in (0, heard[2])
    return heard != known


def test_every_client_reads_the_same(stack: Stack, recording: Recording, model: str) -> None:
    readings, refused = {}, {}
    for client in CLIENTS:
        try:
            readings[client] = read(stack, client, model, recording.stream)
        except Exception as error:
            refused[client] = error
    # The provider's own SDK is the measure, unless it cannot read what its provider says.
    others = [client for client in CLIENTS if client != recording.dialect]
    if failed := [client for client in others if client in refused]:
        # An answer that is a failure is one for everybody.
        assert failed == others and recording.dialect in refused, refused
        return
    measure = readings.get(recording.dialect, readings[others[0]])
    if any(name is None for name, _ in measure["calls"]):
        # Google's SDK, and the recorder, do not put calls together whose arguments come in parts.
        measure = readings[others[0]]
    wrong = [
        f"{client}: {member} is {readings[client][member]!r}, not {measure[member]!r}"
        for client in others
        for member in measure
        if differs(member, measure, readings[client])
    ]
    assert not wrong, "\n".join(wrong)
    if recording.calls is not None and measure is readings.get(recording.dialect):
        # The recorder counts functions only.
        assert len(measure["calls"]) >= recording.calls
