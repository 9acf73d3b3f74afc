"""Random operations of an operator, by API and by commands, against a model of what must be there afterwards.

`SEQUENCES=1000` runs more than the quick form; `SEED=N` runs one sequence alone.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from control import Control

ADMIN = "the-admin-key-of-the-model"
SEQUENCES, SEED = int(os.environ.get("SEQUENCES", "60")), os.environ.get("SEED")
#: Operations of a sequence; of so many, one is done by a command.
OPERATIONS, BY_COMMAND_EACH = 10, 100
TIERS = ["gold", "iron"]
ACCOUNTS, CLIENTS = ["a1", "a2", "a/3"], ["c1", "c2", "c/3"]
NAMES, SECRETS = ["fast", "smart-*", "old/model"], ["s1", "s2"]
TARGETS = ["m/x", "m/y", "nowhere/z"]


class Model:
    """What must be there: entries by name, and the keys of clients that are taken."""

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, Any]] = {}
        self.clients: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, str] = {}
        self.dead_keys: list[str] = []
        self.mappings: dict[str, str] = {}
        self.secrets: set[str] = set()
        self.pinned: str | None = None
        self.paused = False
        #: Whether the account of the file takes part.
        self.file_enabled = True

    def state(self) -> dict[str, Any]:
        fields = ("enabled", "tier", "concurrency", "models", "limits")
        accounts = {name: {field: entry[field] for field in fields} for name, entry in self.accounts.items()}
        accounts["base"] = {"enabled": self.file_enabled, "tier": "gold", "concurrency": 50, "models": None, "limits": {}}
        own = {f"account/{name}/credential" for name in self.accounts}
        return {
            "accounts": accounts,
            "clients": self.clients,
            "mappings": self.mappings,
            "secrets": self.secrets | own,
            "pinned": self.pinned,
        }

    def serves(self) -> bool:
        return not self.paused and (self.file_enabled or any(one["enabled"] for one in self.accounts.values()))


class Play:
    """One sequence: the same operation for the gateway and for the model."""

    def __init__(self, control: Control, seed: int) -> None:
        self.control, self.random, self.model, self.done = control, random.Random(seed), Model(), []

    def api(self, method: str, path: str, body: Any = None, wanted: int = 200) -> Any:
        answer = self.control.api(method, path, body)
        self.done.append(f"{method} {path} {body} → {answer.status}")
        assert answer.status == wanted, f"{wanted} is wanted: {answer.text}"
        return answer.json()

    def command(self, *arguments: str, stdin: str = "", works: bool = True) -> Any:
        answer = self.control.run(*arguments, "--json", stdin=stdin)
        self.done.append(f"{' '.join(arguments)} → {answer.status}")
        assert (answer.status == 0) == works, f"{answer.head}{answer.text}"
        return json.loads(answer.body) if works and answer.body.strip() else None

    def by_command(self) -> bool:
        return self.random.randrange(BY_COMMAND_EACH) == 0

    def step(self) -> None:
        choose = self.random.choice
        choose([self.account, self.account, self.client, self.client, self.mapping, self.secret, self.gateway])()

    def account(self) -> None:
        name, model = self.random.choice(ACCOUNTS), self.model
        path = f"/api/accounts/{quote(name, safe='')}"
        there, entries = name in model.accounts, model.accounts
        match self.random.choice(["add", "add", "set", "switch", "key", "remove", "pin", "unpin"]):
            case "add" if self.by_command():
                self.command("accounts", "add", name, "--upstream", "up", "--key-stdin", stdin="key-typed", works=not there)
                if not there:
                    entries[name] = {"enabled": True, "tier": "iron", "concurrency": 3, "models": None, "limits": {}}
            case "add":
                wanted = self.terms({"id": name, "upstream": ["up"], "key": f"key-{self.random.random()}"})
                self.api("POST", "/api/accounts", wanted, 409 if there else 201)
                if not there:
                    default = {"enabled": True, "tier": "iron", "concurrency": 3, "models": None, "limits": {}}
                    entries[name] = {**default, **{key: value for key, value in wanted.items() if key in default}}
            case "set":
                wanted = self.terms({})
                self.api("PATCH", path, wanted, 200 if there else 404)
                if there:
                    entries[name] |= wanted
            case "switch":
                name = self.random.choice([name, "base"])
                enabled, there = self.random.random() < 0.5, name in entries or name == "base"
                if self.by_command():
                    self.command("accounts", "enable" if enabled else "disable", name, works=there)
                else:
                    path = f"/api/accounts/{quote(name, safe='')}"
                    self.api("PATCH", path, {"enabled": enabled}, 200 if there else 404)
                if name == "base":
                    model.file_enabled = enabled
                elif there:
                    entries[name]["enabled"] = enabled
            case "key":
                self.api("PATCH", path, {"key": "key-other"}, 200 if there else 404)
            case "remove":
                self.api("DELETE", path, wanted=200 if there else 404)
                entries.pop(name, None)
                model.pinned = None if model.pinned == name else model.pinned
            case "pin":
                self.api("PUT", "/api/pinned-account", {"account": name}, 200 if there else 404)
                model.pinned = name if there else model.pinned
            case "unpin":
                self.api("DELETE", "/api/pinned-account")
                model.pinned = None

    def terms(self, terms: dict[str, Any]) -> dict[str, Any]:
        """Some of what an account may."""
        some = {
            "tier": self.random.choice(TIERS),
            "concurrency": self.random.randint(1, 9),
            "models": self.random.choice([["*"], ["x", "y*"]]),
            "limits": {"requests_per_minute": self.random.randint(1000, 2000)},
            "enabled": self.random.random() < 0.7,
        }
        return terms | {key: value for key, value in some.items() if self.random.random() < 0.4}

    def client(self) -> None:
        name, model = self.random.choice(CLIENTS), self.model
        path = f"/api/clients/{quote(name, safe='')}"
        there = name in model.clients
        limits = {"concurrency": self.random.randint(5, 9), "requests_per_minute": self.random.randint(500, 900)}
        match self.random.choice(["add", "add", "set", "unset", "rotate", "revoke"]):
            case "add":
                if self.by_command():
                    made = self.command("clients", "add", name, "--concurrency", "5", works=not there)
                    limits = {"concurrency": 5}
                else:
                    made = self.api("POST", "/api/clients", {"id": name, "label": name.upper(), **limits}, 409 if there else 201)
                    limits["label"] = name.upper()
                if not there:
                    blank = {"state": "active", "label": None, "concurrency": None, "requests_per_minute": None}
                    model.clients[name] = blank | limits
                    model.keys[name] = made["key"]
            case "set":
                self.api("PATCH", path, {**limits, "enabled": False}, 200 if there else 404)
                if there:
                    model.clients[name] |= {**limits, "state": "disabled"}
            case "unset":
                self.api("PATCH", path, {"concurrency": None, "enabled": True}, 200 if there else 404)
                if there:
                    model.clients[name] |= {"concurrency": None, "state": "active"}
            case "rotate":
                made = self.api("POST", f"{path}/rotate", wanted=200 if there else 404)
                if there:
                    model.dead_keys.append(model.keys[name])
                    model.keys[name] = made["key"]
            case "revoke":
                self.api("DELETE", path, wanted=200 if there else 404)
                if there:
                    del model.clients[name]
                    model.dead_keys.append(model.keys.pop(name))

    def mapping(self) -> None:
        name, target, there = self.random.choice(NAMES), self.random.choice(TARGETS), self.model.mappings
        path = f"/api/models/mappings/{quote(name, safe='')}"
        if self.random.random() < 0.6:
            if self.by_command():
                self.command("models", "map", name, target)
            else:
                self.api("PUT", path, {"target": target})
            there[name] = target
        else:
            self.api("DELETE", path, wanted=204 if name in there else 404)
            there.pop(name, None)

    def secret(self) -> None:
        name, there = self.random.choice(SECRETS), self.model.secrets
        if self.random.random() < 0.6:
            if self.by_command():
                self.command("vault", "set", name, "--key-stdin", stdin="a secret")
            else:
                self.api("PUT", "/api/vault/secrets", {"name": name, "value": "a secret"})
            there.add(name)
        else:
            self.api("DELETE", f"/api/vault/secrets?name={name}", wanted=200 if name in there else 404)
            there.discard(name)

    def gateway(self) -> None:
        match self.random.choice(["pause", "resume", "resume", "reload"]):
            case "pause":
                self.api("POST", "/api/pause", {"reason": "a test"})
                self.model.paused = True
            case "resume":
                self.api("POST", "/api/resume")
                self.model.paused = False
            case "reload":
                self.api("POST", "/api/reload")

    def state(self) -> dict[str, Any]:
        """The same as `Model.state`, as the gateway tells it."""
        fields = ("enabled", "tier", "concurrency", "models", "limits")
        accounts = self.api("GET", "/api/accounts")["accounts"]
        assert all(one["fault"] is None for one in accounts), accounts

        def client(one: dict[str, Any]) -> dict[str, Any]:
            minute = one["requests_per_minute"]
            told = {"state": one["state"], "label": one["label"], "concurrency": one["concurrency"]}
            return told | {"requests_per_minute": minute and minute["limit"]}

        return {
            "accounts": {one["id"]: {field: one[field] for field in fields} for one in accounts},
            "clients": {one["client"]: client(one) for one in self.api("GET", "/api/clients")["clients"] if one["client"] != "file"},
            "mappings": {one["name"]: one["target"] for one in self.api("GET", "/api/models")["mappings"]},
            "secrets": {one["name"] for one in self.api("GET", "/api/vault/secrets")["secrets"]},
            "pinned": self.api("GET", "/api/pinned-account")["account"],
        }

    def look(self) -> None:
        """Compares lists, and whether requests are served."""
        assert self.state() == self.model.state()
        body = {"model": "m/x", "messages": [{"role": "user", "content": "hi"}]}

        def ask(key: str) -> int:
            headers = {"authorization": f"Bearer {key}"}
            return self.control.ask("POST", "/v1/chat/completions", body, headers).status

        if self.random.random() < 0.3:
            assert ask("the-key-of-the-file") == (200 if self.model.serves() else 503)
        for name, key in self.model.keys.items():
            if self.random.random() < 0.2 and not self.model.paused:
                active = self.model.clients[name]["state"] == "active"
                assert ask(key) == ((200 if self.model.serves() else 503) if active else 401), name
        if self.model.dead_keys and not self.model.paused:
            assert ask(self.model.dead_keys[-1]) == 401

    def clean(self) -> None:
        for name in list(self.model.accounts):
            self.api("DELETE", f"/api/accounts/{quote(name, safe='')}")
        for name in list(self.model.clients):
            self.api("DELETE", f"/api/clients/{quote(name, safe='')}")
        for name in list(self.model.mappings):
            self.api("DELETE", f"/api/models/mappings/{quote(name, safe='')}", wanted=204)
        for name in self.model.secrets:
            self.api("DELETE", f"/api/vault/secrets?name={name}")
        self.api("DELETE", "/api/pinned-account")
        self.api("PATCH", "/api/accounts/base", {"enabled": True})
        self.api("POST", "/api/resume")
        self.model = Model()
        assert self.state() == self.model.state()


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    control = Control(tmp_path_factory.mktemp("operator"), ADMIN, "warn")
    upstream = {"id": "up", "dialect": "openai_chat", "base_url": f"http://127.0.0.1:{control.mock_port}/v1"}
    config = {
        "server": {
            "listen": f"127.0.0.1:{control.port}", "admin_listen": f"127.0.0.1:{control.admin_port}", "threads": 2,
            "admin_keys": [ADMIN],
        },
        "state": {"file": str(control.state / "state.db")},
        "tiers": TIERS,
        "clients": [{"id": "file", "keys": ["the-key-of-the-file"]}],
        "upstreams": [upstream],
        "accounts": [{"id": "base", "upstream": "up", "credential": "key-base", "tier": "gold", "concurrency": 50}],
        "models": [{"match": "m/*", "upstream": "up", "model": "{1}"}],
    }  # fmt: skip
    control.start(config, {"rules": []})
    yield control
    control.stop()


def test_any_sequence_leaves_what_the_model_says(control: Control) -> None:
    for seed in [int(SEED)] if SEED else range(SEQUENCES):
        play = Play(control, seed)
        try:
            for _ in range(OPERATIONS):
                play.step()
            play.look()
            play.clean()
        except AssertionError as error:
            raise AssertionError(f"SEED={seed}:\n" + "\n".join([*play.done, str(error)])) from error
        control.shown.clear()
