"""A client's conversation in one cell, in words that all four protocols share."""

from __future__ import annotations

from typing import Any

from drivers.neutral import Ask, Driver, Failure, Said
from plan import Cell
from stack import Stack, key_hash


class Conversation:
    """Asks the gateway through an SDK, and remembers the history as that SDK's users do."""

    def __init__(self, stack: Stack, cell: Cell, driver: Driver) -> None:
        self.stack, self.cell, self.driver = stack, cell, driver
        self.model, self.ask, self.history = "", Ask(""), []

    def say(self, model: str, ask: Ask) -> Said:
        """The first turn."""
        self.model, self.ask, self.history = model, ask, self.driver.opening(ask)
        return self.driver.send(model, self.history, ask, self.cell.stream)

    def give(self, said: Said, results: list[str], model: str | None = None) -> Said:
        """The next turn: the results of the calls, in their order."""
        self.history = self.driver.with_results(self.history, said, results)
        return self.driver.send(model or self.model, self.history, self.ask, self.cell.stream)

    def go_on(self, said: Said, text: str, model: str) -> Said:
        """The next turn: the user speaks again."""
        self.history = self.driver.with_words(self.history, said, text)
        return self.driver.send(model, self.history, self.ask, self.cell.stream)

    def fail(self, model: str, ask: Ask) -> Failure:
        """A first turn that has to end with an exception of the SDK."""
        try:
            said = self.say(model, ask)
        except Exception as error:
            return self.driver.failure(error)
        raise AssertionError(f"the SDK raised nothing, but said {said}")

    def bodies(self) -> list[dict[str, Any]]:
        return [sent["body"] for sent in self.stack.received()]

    def asked_accounts(self) -> list[str]:
        """Hashes of the keys of the accounts that were asked, in order."""
        return [sent["key"] for sent in self.stack.received()]

    def keys(self, group: str, *order: int) -> list[str]:
        """What `asked_accounts` has to be if accounts of a group were asked in this order."""
        return [key_hash(self.cell.key(group, at)) for at in order]
