"""A provider behind TLS: a certificate of a known authority is taken, any other is not."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import anthropic
import pytest
import trustme
from stack import Program, free_port

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "over TLS"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


class Provider(http.server.BaseHTTPRequestHandler):
    """Answers every POST alike."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def provider(authority: trustme.CA) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_a_provider_behind_tls(
    provider: int, authority: trustme.CA, known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = tmp_path / "trusted.pem"
    (authority if known else trustme.CA()).cert_pem.write_to_path(trusted)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    port = free_port()
    config = tmp_path / "interlingua.yaml"
    config.write_text(
        json.dumps(
            {
                "server": {"listen": f"127.0.0.1:{port}"},
                "state": {"enabled": False},
                "upstreams": [
                    {"id": "up", "dialect": "openai_chat", "base_url": f"https://localhost:{provider}/v1"}
                ],
                "accounts": [{"id": "a", "upstream": "up", "credential": "sk-tls"}],
                "models": [{"match": "*", "upstream": "up"}],
            }
        )
    )
    gateway = Program.start("gateway", ["serve", "--config", str(config)], tmp_path / "gateway.log")
    try:
        gateway.wait_until(f"http://127.0.0.1:{port}/readyz")
        client = anthropic.Anthropic(base_url=f"http://127.0.0.1:{port}", api_key="any", max_retries=0)
        ask = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        if known:
            assert client.messages.create(**ask).content[0].text == "over TLS"
        else:
            with pytest.raises(anthropic.InternalServerError, match="cannot be reached"):
                client.messages.create(**ask)
            assert 'reason="tls"' in gateway.log.read_text()
    finally:
        gateway.stop()
