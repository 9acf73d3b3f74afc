"""Which cells the matrix has, and the accounts, rules and faults that serve them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CLIENTS = ("openai_chat", "openai_responses", "anthropic", "gemini")
MODES = ("unary", "stream")
#: Seconds that a limited account asks to wait: too long for a second try on it, and for waiting.
LIMIT_WAIT = 30


@dataclass(frozen=True)
class Upstream:
    """A provider dialect: the prefix of its model names, its base path, a model of it."""

    short: str
    path: str
    model: str
    #: Status with which this provider says that it is overloaded.
    overload: int = 503


UPSTREAMS = {
    "openai_chat": Upstream("oc", "/v1", "gpt-4.1"),
    "openai_responses": Upstream("or", "/v1", "gpt-5"),
    "anthropic": Upstream("an", "", "claude-sonnet-4-5", overload=529),
    "gemini": Upstream("ge", "", "gemini-3-pro-preview"),
}

#: Troubles of an account, told apart by its key: name → faults of the simulator.
TROUBLES = {
    "limited": [f"429:{LIMIT_WAIT}"],
    "inside": ["error-first:503"],
    "cut": ["close-mid-event:0"],
    "close": ["close"],
    "broken": ["500"],
    "torn": ["reset-at:3"],
    "musing": ["reset-at:3"],
}
#: Groups of accounts: name → the kind of each account's key, in the order in which they are asked.
GROUPS = {
    "refused-next": ("invalid", "good"),
    "refused-all": ("invalid", "invalid"),
    "limited-next": ("limited", "good"),
    "limited-all": ("limited", "limited"),
    "overloaded-next": ("overloaded", "good"),
    "overloaded-all": ("overloaded", "overloaded"),
    "inside-next": ("inside", "good"),
    "cut-next": ("cut", "good"),
    "close-next": ("close", "good"),
    "broken-next": ("broken", "good"),
    "torn-next": ("torn", "good"),
    "musing-next": ("musing", "good"),
}
TIERS = ["first", "second"]


@dataclass(frozen=True)
class Cell:
    """One client protocol on one provider dialect, in one mode."""

    client: str
    upstream: str
    mode: str

    @property
    def pair(self) -> tuple[str, str]:
        return self.client, self.upstream

    @property
    def stream(self) -> bool:
        return self.mode == "stream"

    def __str__(self) -> str:
        return f"{self.client}-on-{self.upstream}-{self.mode}"

    def model(self, suffix: str = "", group: str | None = None) -> str:
        """The model name to ask the gateway for; a group has accounts for this cell alone."""
        upstream = UPSTREAMS[self.upstream]
        prefix = f"{group}.{self}" if group else upstream.short
        return f"{prefix}/{upstream.model}" + (f"+{suffix}" if suffix else "")

    def key(self, group: str, at: int) -> str:
        """The credential of an account of a group."""
        return f"{GROUPS[group][at]}-{at}-{group}-{self}"


CELLS = [Cell(client, upstream, mode) for client in CLIENTS for upstream in UPSTREAMS for mode in MODES]


def mock_script() -> dict[str, Any]:
    """The simulator's script: faults by the kind of key. Keys with `invalid` in them are unknown to it anyway."""
    rules = [{"match": {"key": f"{kind}-*"}, "faults": faults} for kind, faults in TROUBLES.items()]
    for dialect, upstream in UPSTREAMS.items():
        rules.append({"match": {"key": "overloaded-*", "dialect": dialect}, "faults": [str(upstream.overload)]})
    return {"rules": rules}


def gateway_config(port: int, mock_port: int, continuation: str = "off") -> dict[str, Any]:
    """The gateway's configuration: its defaults, and three accounts a dialect, and two for each cell and group.

    Off is the second try on the same account, so that the order of accounts is told by the first, and, but where it is
    tested, that another account goes on with a broken stream.
    """
    config: dict[str, Any] = {
        "server": {"listen": f"127.0.0.1:{port}", "threads": 2, "show_losses": True},
        "tiers": TIERS,
        "state": {"enabled": False},
        "resilience": {"grace_retry": {"enabled": False}, "continuation": {"mode": continuation}},
        "upstreams": [],
        "accounts": [],
        "models": [],
    }

    def serve(name: str, dialect: str, keys: list[tuple[str, str]]) -> None:
        upstream = UPSTREAMS[dialect]
        base_url = f"http://127.0.0.1:{mock_port}{upstream.path}"
        quirks = {"prefill": "plain"} if dialect == "openai_chat" else {}
        config["upstreams"].append({"id": name, "dialect": dialect, "base_url": base_url, "quirks": quirks})
        for at, (key, tier) in enumerate(keys):
            account = {"id": f"{name}-{at}", "upstream": name, "credential": key, "tier": tier, "concurrency": 50}
            config["accounts"].append(account)
        config["models"].append({"match": f"{name}/*", "upstream": name, "model": "{1}"})

    for dialect, upstream in UPSTREAMS.items():
        serve(upstream.short, dialect, [(f"good-{at}-{upstream.short}", "first") for at in range(3)])
    for cell in CELLS:
        for group in GROUPS:
            serve(f"{group}.{cell}", cell.upstream, [(cell.key(group, at), tier) for at, tier in enumerate(TIERS)])
    return config
