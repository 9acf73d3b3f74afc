"""Requests, answers and failures in words that belong to no protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

#: Seconds that an SDK waits for anything: a hang is a failure.
TIMEOUT = 20.0
#: What clients send as their key: the gateway asks for none here.
KEY = "any"


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """What the user wants."""

    text: str
    tools: tuple[Tool, ...] = ()
    png: bytes | None = None
    schema: dict[str, Any] | None = None
    thinking: bool = False
    max_tokens: int | None = None
    system: str | None = None


@dataclass(frozen=True)
class Call:
    id: str
    name: str
    args: Any


@dataclass(frozen=True)
class Usage:
    """Tokens; all input with its cached part, all output with its thinking, where the protocol tells it."""

    input: int
    output: int
    cached: int
    reasoning: int | None = None


@dataclass
class Said:
    """What the SDK decoded."""

    text: str = ""
    thoughts: str = ""
    refusal: str = ""
    calls: list[Call] = field(default_factory=list)
    #: `end`, `calls`, `length` or `refusal`; anything else is a word of the protocol that nobody expected.
    stop: str | None = None
    usage: Usage | None = None
    model: str | None = None
    #: The SDK's own object.
    native: Any = None


@dataclass(frozen=True)
class Failure:
    """What the SDK raised."""

    #: `invalid`, `auth`, `limited`, `server`, `broken` (a stream that broke off); else the class's name.
    kind: str
    status: int | None
    message: str
    #: Seconds.
    retry_after: float | None
    error: BaseException
    #: The machine-readable code, where the protocol has one.
    code: str | None = None


class StreamFailed(Exception):
    """A stream whose failure the SDK hands out as an event, without raising."""


class Driver(ABC):
    """A client protocol."""

    name: str

    def __init__(self) -> None:
        #: Text that came by a stream before it broke off.
        self.heard = ""
        #: Whether totals have to be sums; some providers' own are not.
        self.sums = True

    @abstractmethod
    def opening(self, ask: Ask) -> list[Any]:
        """The history of the first turn."""

    @abstractmethod
    def with_results(self, history: list[Any], said: Said, results: list[str]) -> list[Any]:
        """The history with the answer and the results of its calls."""

    @abstractmethod
    def with_words(self, history: list[Any], said: Said, text: str) -> list[Any]:
        """The history with the answer and what the user says next."""

    @abstractmethod
    def send(self, model: str, history: list[Any], ask: Ask, stream: bool) -> Said:
        """One request."""

    @abstractmethod
    def failure(self, error: Exception) -> Failure:
        """What an exception of the SDK means; others are raised again."""
