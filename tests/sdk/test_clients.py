"""A client at one of its own limits: the SDK raises what its users know, with the wait."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drivers import DRIVERS
from drivers.neutral import KEY, Ask, Driver
from plan import CLIENTS
from stack import Program, free_port

#: name → the limit, the longest wait that may be told, and the code that an OpenAI client reads.
LIMITS: dict[str, tuple[dict[str, Any], int, str]] = {
    "rate": ({"requests_per_minute": 1}, 60, "rate_limit_exceeded"),
    "budget": ({"budgets": {"daily": {"tokens": 1}}}, 86_400, "insufficient_quota"),
}


@pytest.fixture(params=LIMITS)
def limit(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def url(tmp_path: Path, limit: str) -> Iterator[str]:
    """A gateway with one limited client, whose key is that of the drivers."""
    mock_port, port = free_port(), free_port()
    client = {"id": "limited", "keys": "sha256:" + hashlib.sha256(KEY.encode()).hexdigest()}
    config = {
        "server": {"listen": f"127.0.0.1:{port}"},
        "state": {"enabled": False},
        "clients": [client | LIMITS[limit][0]],
        "upstreams": [{"id": "up", "dialect": "anthropic", "base_url": f"http://127.0.0.1:{mock_port}"}],
        "accounts": [{"id": "a", "upstream": "up", "credential": "good-key"}],
        "models": [{"match": "*", "upstream": "up"}],
    }
    file = tmp_path / "interlingua.yaml"
    file.write_text(json.dumps(config))
    mock = Program.start("mock", ["mock", "--listen", f"127.0.0.1:{mock_port}"], tmp_path / "mock.log")
    gateway = Program.start("gateway", ["serve", "--config", str(file)], tmp_path / "gateway.log")
    try:
        mock.wait_until(f"http://127.0.0.1:{mock_port}/_mock/health")
        gateway.wait_until(f"http://127.0.0.1:{port}/readyz")
        yield f"http://127.0.0.1:{port}"
    finally:
        gateway.stop()
        mock.stop()


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_a_client_at_its_limit_is_told_to_wait(url: str, limit: str, name: str, stream: bool) -> None:
    driver: Driver = DRIVERS[name](url)
    ask = Ask("Hello")
    said = driver.send("claude-sonnet-4-5", driver.opening(ask), ask, stream)
    assert said.text == "You said: Hello"
    with pytest.raises(Exception) as raised:
        driver.send("claude-sonnet-4-5", driver.opening(ask), ask, stream)
    failure = driver.failure(raised.value)
    _, wait_max, code = LIMITS[limit]
    assert (failure.kind, failure.status) == ("limited", 429)
    assert failure.retry_after is not None and 1 <= failure.retry_after <= wait_max
    assert "client 'limited'" in failure.message
    if name.startswith("openai"):
        assert failure.code == code
