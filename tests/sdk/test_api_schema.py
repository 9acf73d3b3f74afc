"""The operator's API does what its description says, whatever is sent to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from stack import BINARY, Program, free_port

KEY = "the-key-of-the-operator"
CLIENT_KEY = "the-key-of-a-client-of-the-file"
#: Cases for each operation. They are the same in each run.
EXAMPLES = 25
#: Seconds for the whole run of schemathesis, and for one call.
RUN_MAX, CALL_MAX = 240, 20
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
    "ignored_auth",
)


@dataclass
class Api:
    """The operator's API of a running gateway."""

    url: str
    folder: Path

    def ask(self, method: str, path: str, body: Any = None, key: str | None = KEY) -> tuple[int, str, Any]:
        """Status, media type and body of an answer."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=CALL_MAX)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            kind, text = answer.headers.get("content-type", ""), answer.read()
        return answer.status, kind, json.loads(text) if "json" in kind else text.decode()


def config(port: int, admin: int, mock: int, folder: Path) -> dict[str, Any]:
    """A gateway with something of everything that the API tells of, and a simulator as its only provider."""
    base_url = f"http://127.0.0.1:{mock}"
    return {
        "server": {
            "listen": f"127.0.0.1:{port}",
            "admin_listen": f"127.0.0.1:{admin}",
            "admin_keys": [KEY],
            "threads": 2,
        },
        "state": {"file": str(folder / "state.db")},
        "records": {"bodies": "all"},
        "clients": [{"id": "of-the-file", "keys": [CLIENT_KEY], "budgets": {"daily": {"tokens": 10**9, "usd": 5}}}],
        "upstreams": [
            {"id": "main", "dialect": "openai_chat", "base_url": f"{base_url}/v1"},
            {"id": "last", "dialect": "anthropic", "base_url": base_url},
        ],
        "accounts": [
            {"id": "a", "upstream": "main", "credential": "good-a"},
            {"id": "refused", "upstream": "main", "credential": "invalid"},
            {"id": "z", "upstream": "last", "credential": "good-z"},
        ],
        "models": [{"match": "gpt-*", "upstream": "main", "model": "gpt-{1}"}],
        "resilience": {"safe_mode": {"upstream": "last", "model": "claude-sonnet-4-5"}},
    }


def furnish(api: Api, gateway: str) -> None:
    """Requests, clients, accounts, mappings, secrets: so that there is something to find."""
    turn = json.dumps({"model": "gpt-4.1", "messages": [{"role": "user", "content": "hello"}]}).encode()
    headers = {"authorization": f"Bearer {CLIENT_KEY}", "content-type": "application/json"}
    for _ in range(3):
        request = urllib.request.Request(f"{gateway}/v1/chat/completions", turn, headers)
        urllib.request.urlopen(request, timeout=CALL_MAX).close()
    for method, path, body in (
        ("POST", "/api/clients", {"id": "team/one", "concurrency": 3, "tokens_per_minute": 1000}),
        ("POST", "/api/accounts", {"id": "added@home", "upstream": ["main"], "key": "good-added"}),
        ("PUT", "/api/models/mappings/mine", {"target": "gpt-4.1"}),
        ("PUT", "/api/vault/secrets", {"name": "spare", "value": "unused"}),
        ("PUT", "/api/safe-mode", {"mode": "auto"}),
    ):
        status, _, said = api.ask(method, path, body)
        assert status < 300, (path, said)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    assert BINARY.exists(), f"{BINARY} is missing: run `cargo build` first"
    folder = tmp_path_factory.mktemp("api")
    port, admin, mock = free_port(), free_port(), free_port()
    file = folder / "interlingua.yaml"
    file.write_text(json.dumps(config(port, admin, mock, folder)))  # JSON is YAML.
    programs = [Program.start("mock", ["mock", "--listen", f"127.0.0.1:{mock}"], folder / "mock.log")]
    programs.append(Program.start("gateway", ["serve", "--config", str(file)], folder / "gateway.log"))
    try:
        programs[0].wait_until(f"http://127.0.0.1:{mock}/_mock/health")
        programs[1].wait_until(f"http://127.0.0.1:{port}/readyz")
        running = Api(f"http://127.0.0.1:{admin}", folder)
        furnish(running, f"http://127.0.0.1:{port}")
        yield running
        assert programs[1].process.poll() is None, "the gateway has ended"
        assert "panicked" not in programs[1].log.read_text(errors="replace")
    finally:
        for program in reversed(programs):
            program.stop()


@pytest.fixture(scope="module")
def description(api: Api) -> dict[str, Any]:
    status, kind, document = api.ask("GET", "/api/openapi.json")
    assert (status, kind) == (200, "application/json")
    return document


def operations(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_the_description_is_openapi(description: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(description).validate()


def test_every_operation_has_an_id_of_its_own_a_tag_and_its_refusals(description: dict[str, Any]) -> None:
    names: dict[str, str] = {}
    for name, operation in operations(description):
        assert names.setdefault(operation["operationId"], name) == name, "two operations of one id"
        assert operation["tags"], name
        assert operation.get("summary") or operation.get("description"), name
        for status in ("401", "default"):
            assert "application/problem+json" in operation["responses"][status]["content"], (name, status)


def test_every_operation_asks_for_a_key(api: Api, description: dict[str, Any]) -> None:
    for name, _ in operations(description):
        method, path = name.split(" ", 1)
        for key in (None, "another-key-than-it"):
            status, kind, said = api.ask(method, path, key=key)
            assert (status, kind, said["status"]) == (401, "application/problem+json", 401), name


ODD = ("", " ", "/", "a/b", "..", "%", "%00", "\0", "é", "☃" * 40, "x" * 5000, "?", "#", "{id}", "'; --", "\n", "+")


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd)[:20])
def test_odd_names_in_paths_are_answered(api: Api, description: dict[str, Any], odd: str) -> None:
    for name, _ in operations(description):
        method, path = name.split(" ", 1)
        if "{" in path:
            at = path[: path.index("{")] + quote(odd, safe="") + path[path.index("}") + 1 :]
            status, kind, said = api.ask(method, at, b"{}" if method in ("POST", "PUT", "PATCH") else None)
            assert status < 500, (name, said)
            assert status < 400 or kind == "application/problem+json", (name, status, kind, said)


@pytest.mark.parametrize("raw", [b"%ff", b"%C3%28", b"%", b"%zz"])
def test_paths_that_are_no_text_are_refused_with_a_problem(api: Api, description: dict[str, Any], raw: bytes) -> None:
    for name, _ in operations(description):
        method, path = name.split(" ", 1)
        if "{" in path:
            at = path[: path.index("{")] + raw.decode() + path[path.index("}") + 1 :]
            status, kind, said = api.ask(method, at, b"{}" if method in ("POST", "PUT", "PATCH") else None)
            assert 400 <= status < 500 and kind == "application/problem+json", (name, status, kind, said)


def test_a_logged_request_is_not_described_as_a_mapping(description: dict[str, Any]) -> None:
    """Both were `Entry`, so one was described in the words of the other."""
    schemas = description["components"]["schemas"]
    assert "updated_at" in schemas["Mapping"]["properties"]
    assert {"at_ms", "attempts"} <= schemas["RequestEntry"]["properties"].keys()


def test_bodies_that_may_be_left_out_are_described_so(api: Api, description: dict[str, Any]) -> None:
    for path in ("/api/pause", "/api/accounts/export", "/api/vault/rotate"):
        assert not description["paths"][path]["post"]["requestBody"].get("required"), path
        for body in (None, b"null", b"{}"):
            assert api.ask("POST", path, body)[0] == 200, (path, body)
    assert api.ask("POST", "/api/resume")[0] == 200


def test_numbers_are_described_in_their_bounds(api: Api, description: dict[str, Any]) -> None:
    parameters = description["paths"]["/api/logs"]["get"]["parameters"]
    least = next(one["schema"] for one in parameters if one["name"] == "min_ms")
    assert (least["type"], least["minimum"]) == ("integer", 0)
    for number, status in ((2**64 - 1, 200), (2**64, 400), (-1, 400)):
        assert api.ask("GET", f"/api/logs?min_ms={number}")[0] == status, number


#: Bounds the wait of a followed log, which would be 25 seconds for each case; and asks for what there is, since a random
#: name is a 404 before anything is done. What is wrong on purpose is left so.
HOOKS = '''
import itertools

import schemathesis

KNOWN = {
    "account": itertools.cycle(["a", "refused", "z"]),
    "id": itertools.cycle(["a", "added@home", "refused", None]),
    "client": itertools.cycle(["team/one", "of-the-file", None]),
    "name": itertools.cycle(["mine", "gpt-*", None]),
}


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.operation.path == "/api/logs/tail" and isinstance(case.query, dict):
        wait = case.query.get("wait_ms", 50)
        if isinstance(wait, int) and not isinstance(wait, bool):
            case.query["wait_ms"] = min(wait, 50)
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    for name in case.path_parameters or ():
        known = next(KNOWN[name])
        if known is not None:
            case.path_parameters[name] = known
'''


def test_schemathesis_finds_nothing(api: Api) -> None:
    (api.folder / "hooks.py").write_text(HOOKS)
    command = [Path(sys.executable).with_name("st"), "run", f"{api.url}/api/openapi.json", "--header"]
    command += [f"Authorization: Bearer {KEY}", "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing"]
    command += ["--max-examples", str(EXAMPLES), "--generation-deterministic", "--no-color"]
    command += ["--continue-on-failure", "--request-timeout", str(CALL_MAX)]
    command += ["--no-shrink", "--workers", "1", "--suppress-health-check", "all", "--warnings", "off"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(api.folder), "NO_PROXY": "*"}
    ran = subprocess.run(command, cwd=api.folder, env=environment, capture_output=True, text=True, timeout=RUN_MAX)
    assert ran.returncode == 0, f"{ran.stdout[-20000:]}\n{ran.stderr[-4000:]}"
