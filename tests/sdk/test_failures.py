"""Failures: what the client's own mistake looks like, and what it never sees of the accounts' troubles."""

from __future__ import annotations

import pytest
from conversation import Conversation
from drivers.neutral import Ask
from plan import LIMIT_WAIT

HELLO = Ask("Hello 世界")


def test_a_bad_request_is_the_clients_own_error(talk: Conversation) -> None:
    failure = talk.fail(talk.cell.model("fault=400"), HELLO)
    assert (failure.kind, failure.status) == ("invalid", 400)
    assert "The request is invalid (a fault of the simulator)." in failure.message
    assert len(talk.bodies()) == 1, "nobody else is asked"


def test_a_prompt_that_is_too_long_says_so(talk: Conversation) -> None:
    failure = talk.fail(talk.cell.model("fault=context"), HELLO)
    assert (failure.kind, failure.status) == ("invalid", 400)
    if talk.cell.client.startswith("openai"):
        assert failure.code == "context_length_exceeded"
    elif talk.cell.client == "anthropic":  # Agents look for these words.
        assert "prompt is too long" in failure.message
    assert len(talk.bodies()) == 1


@pytest.mark.parametrize("trouble", ["refused", "limited", "overloaded", "broken", "inside", "cut", "close"])
def test_the_next_account_serves(talk: Conversation, trouble: str) -> None:
    group = f"{trouble}-next"
    said = talk.say(talk.cell.model("echo", group), HELLO)
    assert (said.text, said.stop) == ("You said: Hello 世界", "end")
    asked = talk.asked_accounts()
    if trouble == "close" and len(asked) == 3:
        # A kept-alive connection that closes under a request may just have been idle too long: once it is opened anew.
        asked = asked[1:]
    assert asked == talk.keys(group, 0, 1)


def test_refused_accounts_are_not_the_clients_fault(talk: Conversation) -> None:
    group = "refused-all"
    failure = talk.fail(talk.cell.model("echo", group), HELLO)
    assert (failure.kind, failure.status) == ("server", 503)
    assert talk.cell.key(group, 0)[-8:] not in failure.message and "key" not in failure.message.lower()
    assert talk.asked_accounts() == talk.keys(group, 0, 1)


def test_when_all_are_limited_the_client_may_wait(talk: Conversation) -> None:
    group = "limited-all"
    failure = talk.fail(talk.cell.model("echo", group), HELLO)
    assert (failure.kind, failure.status) == ("limited", 429)
    assert failure.retry_after is not None and 1 <= failure.retry_after <= LIMIT_WAIT * 1.1 + 1
    assert talk.asked_accounts() == talk.keys(group, 0, 1)
    # The accounts rest now: the next request is answered without asking them.
    again = talk.fail(talk.cell.model("echo", group), HELLO)
    assert again.kind == "limited" and again.retry_after is not None
    assert talk.asked_accounts() == talk.keys(group, 0, 1)


def test_an_overloaded_provider_is_told(talk: Conversation) -> None:
    group = "overloaded-all"
    failure = talk.fail(talk.cell.model("echo", group), HELLO)
    assert failure.kind == "server"
    assert failure.status in ((503, 529) if talk.cell.client == "anthropic" else (503,))
    assert talk.asked_accounts() == talk.keys(group, 0, 1)
