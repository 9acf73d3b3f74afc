"""Canary secrets go through every feature, with failures provoked: nothing of them is seen afterwards.

Whatever anybody could look at is scanned for every run of eight characters of every secret, also in hexadecimal, base64
and percent-encoding: the log at level trace, metrics, answers, the output of commands, and all files of the state.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import string
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from control import Control
from stack import ROOT

#: Characters of a secret in a row that nobody may see.
WINDOW = 8
#: All that can be logged, also of the proxy's framework, whose lines must be asked for by name.
LEVEL = "trace,pingora=trace,pingora_core=trace,pingora_proxy=trace"
#: What a secret, or one of its forms, stands in.
WORDS = re.compile(rb"(?:\d{1,3}, ){7}\d{1,3}|[A-Za-z0-9+/=_%-]{8,}")
ROBOT = ROOT / "tests" / "fixtures" / "not-a-real-service-account.json"
TEXT = "hello"


class Canaries:
    """The secrets by name, and a scanner for them."""

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}
        #: The bytes of the vault key: they are no text.
        self.raw = b""
        self.lock = threading.Lock()

    def new(self, name: str, before: str = "") -> str:
        """A secret of 40 random letters and digits."""
        value = before + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(39)) + "7"
        return self.add(name, value, len(before))

    def add(self, name: str, value: str, skip: int = 0) -> str:
        """Takes note of a secret; what it begins with may be seen."""
        with self.lock:
            self.known[name] = value[skip:].encode()
        return value

    def windows(self) -> dict[bytes, list[tuple[bytes, str]]]:
        """All forms of all windows, by their first eight bytes."""
        forms: dict[bytes, list[tuple[bytes, str]]] = {}

        def put(form: bytes, name: str) -> None:
            if len(form) >= WINDOW:
                forms.setdefault(form[:WINDOW], []).append((form, name))

        for name, secret in self.known.items():
            for at in range(len(secret) - WINDOW + 1):
                part = secret[at : at + WINDOW]
                put(part, name)
                put(part.lower(), f"{name}, in small letters")
                put(part.hex().encode(), f"{name}, in hexadecimal")
                put(part.hex().upper().encode(), f"{name}, in hexadecimal")
                put(b"".join(b"%%%02X" % byte for byte in part), f"{name}, percent-encoded")
                put(b", ".join(b"%d" % byte for byte in part), f"{name}, as numbers")
                for shift in range(3):
                    # Only digits that depend on nothing beside the window.
                    digits = base64.b64encode(b"\0" * shift + part)
                    first, last = -(-8 * shift // 6), (8 * (shift + len(part))) // 6
                    put(digits[first:last], f"{name}, in base64")
                    put(digits[first:last].translate(bytes.maketrans(b"+/", b"-_")), f"{name}, in base64")
        return forms

    def found(self, texts: list[tuple[str, bytes]]) -> list[str]:
        """Where something of a secret stands: one line for each text and secret."""
        forms, seen = self.windows(), {}
        for where, text in texts:
            # Most words stand in a text many times, and are looked at once.
            for word in set(WORDS.findall(text)):
                for at in range(len(word) - WINDOW + 1):
                    for form, name in forms.get(word[at : at + WINDOW], ()):
                        if word.startswith(form, at) and (where, name) not in seen:
                            place = text.find(form)
                            around = text[max(0, place - 160) : place + 60].decode(errors="replace")
                            seen[where, name] = f"{where}: {name}: …{around}…"
            for at in range(len(self.raw) - WINDOW + 1):
                if self.raw[at : at + WINDOW] in text:
                    seen[where, "raw"] = f"{where}: the bytes of the vault key"
        return list(seen.values())


class Provider:
    """A provider that quotes credentials wherever it can, and a token endpoint that changes refresh tokens."""

    def __init__(self, canaries: Canaries) -> None:
        self.canaries, self.token_mode, self.tokens, self.calls = canaries, "good", 0, 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                credential = (self.headers.get("authorization") or "").removeprefix("Bearer ")
                status, kind, text = provider.answer(self.path, body, credential)
                data = text.encode()
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.send_header("x-request-id", f"req-of-{credential}" if status >= 400 else "req-1")
                self.send_header("x-quoted", credential)
                self.send_header("www-authenticate", f'Bearer realm="{credential}"')
                self.end_headers()
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path: str, body: bytes, credential: str) -> tuple[int, str, str]:
        if path.startswith("/oauth/token"):
            return self.token(dict(parse_qsl(body.decode())))
        model = json.loads(body or b"{}").get("model", "") if path.endswith("/chat/completions") else path
        self.calls += 1
        said = json.dumps({"error": {"message": f"the key {credential} is bad", "type": credential, "code": credential}})
        match model.split("-", 1):
            case ["html", status]:
                return int(status), "text/html", f"<html>who is {credential}?</html>"
            case ["say", status]:
                return int(status), "application/json", said
            case ["inside", _]:
                return 200, "text/event-stream", f"data: {said}\n\n"
            case ["torn", _]:
                return 200, "application/json", f'{{"id": "{credential}", "choi'
            case ["garbled", _]:
                return 200, "text/event-stream", f'data: {{"{credential}\n\n'
        if path.startswith("/api/"):
            return 401, "application/json", said
        if path.endswith("/models"):
            return 200, "application/json", json.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]})
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        message = {"role": "assistant", "content": "fine"}
        choice = {"index": 0, "finish_reason": "stop", "message": message, "delta": message}
        whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        if b'"stream":true' in body.replace(b" ", b""):
            whole["object"] = "chat.completion.chunk"
            return 200, "text/event-stream", f"data: {json.dumps(whole)}\n\ndata: [DONE]\n\n"
        return 200, "application/json", json.dumps(whole)

    def token(self, form: dict[str, str]) -> tuple[int, str, str]:
        self.tokens += 1
        quoted = " ".join(form.values())
        match self.token_mode:
            case "refused":
                said = {"error": "invalid_grant", "error_description": f"{quoted} was revoked"}
                return 400, "application/json", json.dumps(said)
            case "down":
                return 503, "text/html", f"<html>{quoted}</html>"
            case "torn":
                return 200, "application/json", f'{{"access_token": "{self.canaries.new(f"token {self.tokens}")}", '
            case "odd":
                odd = {"access_token": [self.canaries.new(f"token {self.tokens}")], "expires_in": quoted}
                return 200, "application/json", json.dumps(odd)
            case "unsent":
                # No header can carry it.
                odd = {"access_token": self.canaries.new(f"token {self.tokens}") + "\u00e4\n", "expires_in": 1}
                return 200, "application/json", json.dumps(odd)
        given = {"access_token": self.canaries.new(f"token {self.tokens}"), "expires_in": 2, "token_type": "Bearer"}
        if "assertion" not in form:
            given["refresh_token"] = self.canaries.new(f"refresh token {self.tokens}")
        return 200, "application/json", json.dumps(given)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


#: Path and body of a request, by protocol.
def request(protocol: str, model: str, stream: bool) -> tuple[str, dict[str, Any]]:
    turn = [{"role": "user", "content": TEXT}]
    match protocol:
        case "chat":
            return "/v1/chat/completions", {"model": model, "messages": turn, "stream": stream}
        case "responses":
            return "/v1/responses", {"model": model, "input": TEXT, "stream": stream}
        case "anthropic":
            return "/v1/messages", {"model": model, "messages": turn, "stream": stream, "max_tokens": 50}
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/{model}:{verb}", {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]}


PROTOCOLS = ("chat", "responses", "anthropic", "gemini")
DIALECTS = {"oc": "openai_chat", "or": "openai_responses", "an": "anthropic", "ge": "gemini"}
FAULTS = [
    "401", "403", "429:1", "500", "529", "close", "reset", "close-mid-event:0", "close-after:40", "error-first:503",
    "error-after:1", "malformed:0", "empty", "no-terminal", "html:502", "hang", "hang-after:1", "content-type:text/css",
]  # fmt: skip
#: What the quoting provider does; each with the status that it answers with, if it tells one.
QUOTES = ["say-400", "say-401", "say-403", "say-404", "say-413", "say-422", "say-429", "say-500", "say-302", "html-400"]
QUOTES += ["html-401", "html-500", "html-502", "inside-1", "torn-1", "garbled-1"]


class Scene:
    """The gateway with all of the canaries."""

    def __init__(self, folder: Path) -> None:
        self.canaries = Canaries()
        self.provider = Provider(self.canaries)
        new = self.canaries.new
        self.client, self.admin, self.passphrase = new("client key"), new("admin key"), new("passphrase")
        raw = secrets.token_bytes(32)
        vault_key = self.canaries.add("vault key", base64.b64encode(raw).decode().rstrip("=")) + "="
        self.canaries.raw = raw
        env = {"INTERLINGUA_VAULT_KEY": vault_key, "CANARY": new("account key of a variable"), "RUST_BACKTRACE": "1"}
        self.control = Control(folder, self.admin, LEVEL, env)
        (folder / "key").write_text(new("account key of a file"))
        robot = json.loads(ROBOT.read_text())
        robot["token_uri"] = f"http://127.0.0.1:{self.provider.port}/oauth/token"
        (folder / "robot.json").write_text(json.dumps(robot))
        lines = robot["private_key"].split("\n")[2:-2]
        self.canaries.add("key of the service account", "".join(lines))
        self.written = self.config()
        self.control.start(self.written, {"rules": []})

    def config(self) -> dict[str, Any]:
        new, control = self.canaries.new, self.control
        mock, own = f"http://127.0.0.1:{control.mock_port}", f"http://127.0.0.1:{self.provider.port}"
        timeouts = {"first_byte": "300ms", "idle": "300ms", "total": "2s"}
        upstreams: list[dict[str, Any]] = [
            {"id": short, "dialect": dialect, "base_url": mock + ("/v1" if "openai" in dialect else ""),
             "timeouts": timeouts}
            for short, dialect in DIALECTS.items()
        ]  # fmt: skip
        spies = ("spy", "login", "robot")
        upstreams += [{"id": spy, "dialect": "openai_chat", "base_url": f"{own}/v1"} for spy in spies]
        oauth = {
            "client_id": "mine",
            "client_secret": new("secret of the OAuth client"),
            "refresh_token": new("refresh token 0"),
            "token_url": f"{own}/oauth/token",
        }
        accounts: list[dict[str, Any]] = [
            {"id": "in-file", "upstream": list(DIALECTS), "credential": new("account key in YAML"), "tier": "pro"},
            {"id": "of-env", "upstream": list(DIALECTS), "credential": "${env:CANARY}"},
            {"id": "of-file", "upstream": list(DIALECTS), "credential": "${file:key}"},
            {"id": "spy", "upstream": "spy", "credential": new("account key at the quoting provider"),
             "headers": {"x-team": new("header of an account")}},
            {"id": "login", "upstream": "login", "oauth": oauth},
            {"id": "robot", "upstream": "robot", "service_account": "${file:robot.json}"},
        ]  # fmt: skip
        names = [*DIALECTS, *spies]
        return {
            "server": {
                "listen": f"127.0.0.1:{control.port}", "admin_listen": f"127.0.0.1:{control.admin_port}", "threads": 2,
                "admin_keys": [self.admin], "show_losses": True, "drain_timeout": "1s",
            },
            "state": {"file": str(control.state / "state.db")},
            "records": {"bodies": "all"},
            "clients": [{"id": "in-file", "keys": [self.client]}],
            "upstreams": upstreams,
            "accounts": accounts,
            "models": [{"match": f"{name}/*", "upstream": name, "model": "{1}"} for name in names],
            "mapping": {"sync": {"url": own, "token": new("token of the sync"), "interval": "5s"}},
            # What is tried again, and who rests, is not the question here.
            "resilience": {"grace_retry": {"enabled": False}},
        }  # fmt: skip

    def rest_ends(self) -> None:
        self.control.api("DELETE", "/api/resilience/cooldowns?all=true")
        for account in ("in-file", "of-env", "of-file", "spy", "login", "robot"):
            self.control.api("POST", f"/api/resilience/circuits/{account}/reset")

    def talk(self, model: str, key: str | None = None, protocols: tuple[str, ...] = PROTOCOLS) -> list[int]:
        """A request of each protocol, unary and streamed."""
        places = {"chat": "Authorization", "responses": "authorization", "anthropic": "x-api-key"}
        statuses = []
        for protocol in protocols:
            for stream in (False, True):
                path, body = request(protocol, model, stream)
                key = key or self.client
                name = places.get(protocol, "x-goog-api-key")
                headers = {name: f"Bearer {key}" if name.lower() == "authorization" else key}
                statuses.append(self.control.ask("POST", path, body, headers).status)
        return statuses

    def texts(self) -> list[tuple[str, bytes]]:
        """All that anybody could look at."""
        texts = [("the log", self.control.log.read_bytes()), *self.control.shown]
        files = [path for path in self.control.state.rglob("*") if path.is_file()]
        assert {"state.db", "records.db"} <= {path.name for path in files}, files
        assert any(path.parent.name == "audit" for path in files), files
        return texts + [(f"the file {path.name}", path.read_bytes()) for path in files]

    def stop(self) -> None:
        self.control.stop()
        self.provider.stop()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    running = Scene(tmp_path_factory.mktemp("secrets"))
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def nothing_is_seen(scene: Scene) -> Iterator[None]:
    """After each act, and nothing of one act is looked at again in the next but the log and the files."""
    begin = scene.control.log.stat().st_size
    yield
    texts = scene.texts()
    texts[0] = ("the log", texts[0][1][max(0, begin - WINDOW * 4) :])
    scene.control.shown.clear()
    assert b"panicked" not in texts[0][1]
    found = scene.canaries.found(texts)
    assert not found, "\n".join([f"{len(found)} places:", *found])


def test_the_scanner_sees_every_form() -> None:
    canaries = Canaries()
    secret = canaries.new("it").encode()
    forms = [secret[3:11], secret.hex()[10:26].encode(), b"%" + b"%".join(b"%02X" % byte for byte in secret[7:15])]
    forms += [base64.b64encode(b"x" * n + secret)[8:24] for n in range(3)]
    for form in forms:
        assert canaries.found([("here", b"abc" + form + b"def")]), form
    assert not canaries.found([("here", secret[:7] + b" " + secret[8:15])])


def test_all_protocols_on_all_dialects(scene: Scene) -> None:
    for short in DIALECTS:
        assert set(scene.talk(f"{short}/m")) == {200}
    for model in ("spy/m", "login/m", "robot/m"):
        assert set(scene.talk(model, protocols=("chat", "gemini"))) == {200}, model
    assert scene.provider.tokens >= 2


@pytest.mark.parametrize("fault", FAULTS)
def test_failures_of_the_provider(scene: Scene, fault: str) -> None:
    protocols = PROTOCOLS if fault in ("401", "500") else ("chat", "anthropic")
    for short in ("oc", "ge"):
        scene.talk(f"{short}/m+fault={fault}", protocols=protocols)
        scene.rest_ends()


@pytest.mark.parametrize("quote", QUOTES)
def test_a_provider_that_quotes_credentials(scene: Scene, quote: str) -> None:
    before = scene.provider.calls
    for account in ("spy", "login"):
        scene.talk(f"{account}/{quote}", protocols=("chat", "anthropic"))
        scene.rest_ends()
    assert scene.provider.calls > before


def test_a_token_endpoint_that_fails(scene: Scene) -> None:
    # One way to fail: a failure is the answer for half a minute, so others would not be asked for.
    before = scene.provider.tokens
    scene.provider.token_mode = "refused"
    threading.Event().wait(2.1)  # Until the tokens at hand have ended.
    scene.talk("robot/m", protocols=("chat",))
    scene.talk("login/m", protocols=("chat",))
    scene.control.api("POST", "/api/accounts/login/test")
    scene.control.run("accounts", "test", "robot", log="trace")
    scene.provider.token_mode = "good"
    scene.rest_ends()
    assert scene.provider.tokens > before


def issued(scene: Scene, made: Any, name: str) -> str:
    """The key in the answer that makes it: the one place where it may stand, once."""
    key = scene.canaries.add(name, made.json()["key"])
    where, text = scene.control.shown[-1]
    assert text.count(key.encode()) == 1
    scene.control.shown[-1] = (where, text.replace(key.encode(), b"KEY"))
    return key


def test_keys_of_clients(scene: Scene) -> None:
    control = scene.control
    one = issued(scene, control.api("POST", "/api/clients", {"id": "one", "concurrency": 4}), "key of a new client")
    other = issued(scene, control.run("clients", "add", "other", "--json", log="trace"), "key of another client")
    again = issued(scene, control.api("POST", "/api/clients/one/rotate?grace=1h"), "rotated key")
    last = issued(scene, control.run("clients", "rotate", "other", "--json"), "rotated key of a command")
    for key in (one, again, last):
        assert set(scene.talk("oc/m", key)) == {200}
    assert set(scene.talk("oc/m", other)) == {401}
    control.run("clients", "list")
    control.run("clients", "show", "one")
    assert control.api("DELETE", "/api/clients/other").status == 200
    assert set(scene.talk("oc/m", last)) == {401}
    assert set(scene.talk("oc/m", scene.canaries.new("key of nobody"))) == {401}


def test_keys_of_clients_in_wrong_places(scene: Scene) -> None:
    ask = scene.control.ask
    made = issued(scene, scene.control.api("POST", "/api/clients", {"id": "lost"}), "key in wrong places")
    for key in (scene.client, made):
        good = {"authorization": f"Bearer {key}"}
        for path in (f"/v1/chat/completions?key={key}", f"/v1beta/models/ge/m:generateContent?key={key}&alt={key}"):
            for body in (b"{", b'{"model": 1}', b"[]", b'{"model": "oc/m", "messages": 7}'):
                ask("POST", path, body)
        for path in (f"/{key}/v1/chat/completions", f"/v1/{key}", f"/{key}", f"/?{key}"):
            ask("POST", path, b"{}", good)
            ask("GET", path, None, {"x-api-key": key})
            ask("GET", path)
        for name in ("authorization", "x-key", "cookie", "proxy-authorization", "anthropic-version", "content-encoding"):
            ask("POST", "/v1/messages", b"{}", {name: key})
            ask("POST", "/v1/messages", b'{"model": "an/m"}', {"x-api-key": key, name: f"Basic {key}"})
        ask("POST", "/v1/messages", b"{}", {"x-api-key": f"{key} {key}"})
        ask("POST", "/v1/chat/completions", b"{}", {"authorization": f"Bearer{key}", "content-type": key})
    # A key of this gateway's own is known by its look wherever it stands.
    own = {"authorization": f"Bearer {made}"}
    for body in (
        {"model": "oc/m", "messages": [{"role": "user", "content": "hi"}], "user": made, "temperature": made},
        {"model": "oc/m", "messages": made},
        {"model": 7, "api_key": scene.client},
    ):
        ask("POST", "/v1/chat/completions", body, own)
    ask("POST", "/v1/chat/completions", b'{"model": "oc/m", "x": "' + made.encode() + b'" "', own)


def test_accounts_and_vault(scene: Scene) -> None:
    control, new = scene.control, scene.canaries.new
    spy = f"http://127.0.0.1:{scene.provider.port}"
    assert control.run("accounts", "add", "typed", "--upstream", "spy", "--key-stdin", stdin=new("typed key")).status == 0
    given = {"id": "given", "upstream": ["spy"], "key": new("given key"), "tier": "pro"}
    assert control.api("POST", "/api/accounts", given).status == 201
    assert control.api("POST", "/api/accounts", given).status == 409
    assert control.run("accounts", "key", "typed", "--key-stdin", stdin=new("other key"), log="trace").status == 0
    assert control.api("PATCH", "/api/accounts/given", {"key": new("patched key")}).status == 200
    assert control.run("vault", "set", "spare", "--key-stdin", stdin=new("spare secret"), log="trace").status == 0
    assert control.api("PUT", "/api/vault/secrets", {"name": "kept", "value": new("kept secret")}).status == 200
    log_in = {
        "upstream": ["login"], "client_id": "own", "client_secret": new("client secret"), "code": new("code"),
        "token_url": f"{spy}/oauth/token", "redirect_uri": "http://127.0.0.1:1/", "verifier": new("verifier"),
    }  # fmt: skip
    for mode, status in (("good", 200), ("refused", 422), ("torn", 422), ("odd", 422), ("down", 422)):
        scene.provider.token_mode = mode
        said = control.api("POST", "/api/accounts/logged-in/login", log_in if mode == "good" else {**log_in, "upstream": []})
        assert said.status in (status, 502), said.text
    scene.provider.token_mode = "good"
    for quote in ("m", "say-401", "html-500", "torn-1"):
        scene.talk(f"spy/{quote}", protocols=("chat",))
        scene.talk(f"login/{quote}", protocols=("chat",))
        scene.rest_ends()
    for account in ("typed", "given", "spy", "login", "robot", "in-file", "logged-in"):
        control.api("POST", f"/api/accounts/{account}/test")
    passphrase = {"PASS": scene.passphrase}
    assert control.run("accounts", "export", "--secrets", "--passphrase-env", "PASS", env=passphrase).status == 0
    export = control.api("POST", "/api/accounts/export", {"passphrase": scene.passphrase}).json()
    assert control.api("POST", "/api/accounts/import", {"export": export, "passphrase": scene.passphrase}).status == 200
    control.api("POST", "/api/accounts/import", {"export": export, "passphrase": new("wrong passphrase")})
    assert control.api("POST", "/api/vault/rotate", {"new_key": new("no vault key")}).status == 400
    for arguments in (["accounts", "list"], ["accounts", "show", "typed"], ["accounts", "status"], ["vault", "list"]):
        assert control.run(*arguments, log="trace").status == 0, arguments
    for account in ("typed", "given", "logged-in"):
        assert control.api("DELETE", f"/api/accounts/{account}").status == 200
    assert control.run("vault", "remove", "spare", "--yes").status == 0


#: Bodies with a secret at a place where none belongs: method, path, body; `@` stands for the secret.
MALFORMED = [
    ("POST", "/api/accounts", {"id": "x", "upstream": ["spy"], "credential": "@"}),
    ("POST", "/api/accounts", {"id": "x", "upstream": ["spy"], "key": ["@"]}),
    ("POST", "/api/accounts", {"id": "x", "upstream": ["spy"], "key": {"@": "@"}}),
    ("POST", "/api/accounts", {"id": "x", "upstream": ["spy"], "concurrency": "@"}),
    ("POST", "/api/accounts", {"id": "x", "upstream": ["spy"], "kye": "@"}),
    ("POST", "/api/accounts", {"id": "x", "upstream": ["spy"], "key": "@ä"}),
    ("POST", "/api/accounts", {"id": "x", "upstream": ["spy"], "key": "@", "tier": "no-such-tier"}),
    ("POST", "/api/accounts", {"id": "x", "upstream": ["nowhere"], "key": "@"}),
    ("POST", "/api/accounts", "@"),
    ("POST", "/api/accounts", b"@"),
    ("POST", "/api/accounts", b'{"id": "x", "key": "@'),
    ("PATCH", "/api/accounts/spy", {"key": "@"}),
    ("PATCH", "/api/accounts/nobody", {"key": "@"}),
    ("POST", "/api/accounts/x/login", {"code": "@"}),
    ("POST", "/api/accounts/import", {"export": "@"}),
    ("POST", "/api/accounts/export", {"passphrase": ["@"]}),
    ("PUT", "/api/vault/secrets", {"name": "x", "value": 7, "valeu": "@"}),
    ("PUT", "/api/vault/secrets", {"name": "not a name!", "value": "@"}),
    ("PUT", "/api/vault/secrets", b'{"name": "x", "value": @}'),
    ("POST", "/api/vault/rotate", {"new_key": {"@": 1}}),
    ("POST", "/api/clients", {"id": "x", "keys": ["@"]}),
    ("POST", "/api/clients", {"id": "x", "concurrency": "@"}),
    ("POST", "/api/clients", b"@"),
    ("POST", "/api/clients", "@"),
    ("PUT", "/api/pinned-account", {"account": ["@"]}),
    ("PUT", "/api/pinned-account", "@"),
    ("POST", "/api/pause", "@"),
    ("PUT", "/api/models/mappings/x", "@"),
    ("POST", "/api/config/mapping", "@"),
    ("PUT", "/api/safe-mode", "@"),
]


@pytest.mark.parametrize("number", range(len(MALFORMED)))
def test_bodies_with_a_secret_in_the_wrong_place(scene: Scene, number: int) -> None:
    method, path, body = MALFORMED[number]
    secret = scene.canaries.new(f"secret in a malformed body, {number}")
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    said = scene.control.api(method, path, text.replace(b"@", secret.encode()))
    assert 400 <= said.status < 500, said.text


def test_wrong_admin_keys(scene: Scene) -> None:
    wrong = scene.canaries.new("wrong admin key")
    for key in (wrong, scene.client, ""):
        assert scene.control.api("GET", "/api/accounts", key=key).status == 401
        assert scene.control.api("POST", "/api/reload", key=key).status == 401
    scene.control.api("GET", f"/api/accounts?key={wrong}")
    url = f"http://127.0.0.1:{scene.control.admin_port}"
    said = scene.control.run("accounts", "list", "--url", url, env={"INTERLINGUA_ADMIN_KEY": wrong}, log="trace")
    assert said.status != 0


def test_records_metrics_and_sync(scene: Scene) -> None:
    control = scene.control
    assert control.api("POST", "/api/config/mapping/sync").status == 502
    control.run("mapping", "sync", log="trace")
    logs = control.api("GET", "/api/logs?limit=1000").json()
    entries = next(value for value in logs.values() if isinstance(value, list))
    assert len(entries) > 3
    for entry in entries[:200:10]:
        assert control.api("GET", f"/api/logs/{entry['id']}").status == 200
    for path in ("/metrics", "/api/usage", "/api/audit", "/api/accounts", "/api/accounts/status", "/api/quota"):
        assert control.api("GET", path).status == 200, path
    for path in ("/api/resilience/health", "/api/explain?model=spy/m", "/api/openapi.json", "/api/vault/secrets"):
        assert control.api("GET", path).status == 200, path
    for arguments in (["logs", "search"], ["logs", "show", entries[0]["id"]], ["usage"], ["audit", "list"], ["models", "list"]):
        assert control.run(*arguments, log="trace").status == 0, arguments


def broken(config: dict[str, Any], number: int, secret: str) -> dict[str, Any] | str:
    """The file with a secret at a place where none belongs."""
    copy = json.loads(json.dumps(config))
    account = copy["accounts"][0]
    match number:
        case 0:
            account["credential"] = [secret]
        case 1:
            account["credentail"] = secret
        case 2:
            account["concurrency"] = secret
        case 3:
            copy["clients"][0]["keys"] = {"key": secret}
        case 4:
            copy["server"]["admin_keys"] = [{"key": secret}]
        case 5:
            account["credential"] = f"{secret} ä"
        case 6:
            account["credential"] = f"${{{secret}}}"
        case 7:
            account["headers"] = {"x-team": f"{secret}\u0007"}
        case 8:
            copy["accounts"].append({**account, "id": "twin", "credential": secret, "upstream": "nowhere"})
        case 9:
            copy["accounts"][4]["oauth"]["refresh_token"] = [secret]
        case 10:
            copy["mapping"]["sync"]["token"] = {"a": secret}
        case 11:
            return json.dumps(config, indent=1).replace('"tier": "pro"', f'"credential": "{secret}", "tier": "pro"')
        case 12:
            return json.dumps(config, indent=1).replace('"tier": "pro"', f'"tier": {{ "{secret}')
        case 13:
            copy["accounts"][5]["service_account"] = json.dumps({"private_key": secret})
        case 14:
            copy["upstreams"][0]["base_url"] = f"https://user:{secret}@example.com/v1"
        case 15:
            copy["clients"][0]["keys"] = [secret[:15]]
    return copy


@pytest.mark.parametrize("number", range(16))
def test_a_broken_file(scene: Scene, number: int) -> None:
    secret = scene.canaries.new(f"secret in a broken file, {number}")
    scene.control.write(broken(scene.written, number, secret))
    try:
        assert scene.control.api("POST", "/api/reload").status == 422
        assert scene.control.run("check", str(scene.control.config), log="trace").status != 0
    finally:
        scene.control.write(scene.written)
        assert scene.control.api("POST", "/api/reload").status == 200


def test_the_end(scene: Scene) -> None:
    scene.control.stop()
    texts = scene.texts()
    assert len(texts[0][1]) > 100_000 and b"TRACE" in texts[0][1], "the log is no log at level trace"
