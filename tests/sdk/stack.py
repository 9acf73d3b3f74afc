"""The simulator and the gateway as processes on free loopback ports, and what the simulator recorded."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plan import gateway_config, mock_script

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / "target" / "debug" / "interlingua"
#: Seconds until a process must be ready, and until it must have ended after SIGTERM.
READY_MAX, STOP_MAX = 30.0, 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def call(method: str, url: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def key_hash(key: str) -> str:
    """The hash under which the simulator records a key."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()[:12]


@dataclass
class Program:
    """One running command with its log file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    shown: int = 0

    @classmethod
    def start(cls, name: str, arguments: list[str], log: Path, env: dict[str, str] | None = None) -> "Program":
        """Starts a command; `env` adds to the environment."""
        env = {**os.environ, **(env or {})}
        with log.open("wb") as out:
            process = subprocess.Popen([BINARY, *arguments], stdout=out, stderr=subprocess.STDOUT, cwd=log.parent, env=env)
        return cls(name, process, log)

    def wait_until(self, url: str) -> None:
        end = time.monotonic() + READY_MAX
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(url, timeout=2).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} is not ready at {url}:\n{self.log.read_text(errors='replace')}")

    def log_since_last_look(self) -> str:
        text = self.log.read_text(errors="replace")
        fresh, self.shown = text[self.shown :], len(text)
        return fresh

    def stop(self) -> None:
        """Ends exactly this process."""
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Stack:
    """The gateway in front of the simulator."""

    def __init__(self, folder: Path, continuation: str = "off") -> None:
        if not BINARY.exists():
            raise RuntimeError(f"{BINARY} is missing: run `cargo build` first")
        mock_port, port = free_port(), free_port()
        self.mock_url = f"http://127.0.0.1:{mock_port}"
        self.url = f"http://127.0.0.1:{port}"
        script, config = folder / "mock.yaml", folder / "interlingua.yaml"
        script.write_text(json.dumps(mock_script()))  # JSON is YAML.
        config.write_text(json.dumps(gateway_config(port, mock_port, continuation)))
        arguments = ["mock", "--listen", f"127.0.0.1:{mock_port}", "--script", str(script)]
        self.programs = [Program.start("mock", arguments, folder / "mock.log")]
        self.programs.append(Program.start("gateway", ["serve", "--config", str(config)], folder / "gateway.log"))
        try:
            self.programs[0].wait_until(f"{self.mock_url}/_mock/health")
            self.programs[1].wait_until(f"{self.url}/readyz")
        except RuntimeError:
            self.stop()
            raise

    def forget(self) -> None:
        """Empties the simulator's records."""
        call("DELETE", f"{self.mock_url}/_mock/requests")
        call("DELETE", f"{self.mock_url}/_mock/stats")

    def received(self) -> list[dict[str, Any]]:
        """The requests that the simulator got, oldest first."""
        return call("GET", f"{self.mock_url}/_mock/requests")["requests"]

    def bill(self) -> dict[str, int]:
        """The tokens that the simulator billed."""
        return call("GET", f"{self.mock_url}/_mock/stats")["total"]["billed"]

    def logs(self) -> list[tuple[str, str]]:
        return [(program.name, program.log_since_last_look()) for program in self.programs]

    def stop(self) -> None:
        for program in reversed(self.programs):
            program.stop()
