"""A gateway with a state file, in front of the simulator, as its operator sees it: over the admin API and by commands."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack import BINARY, Program, free_port

#: Seconds until a command must have ended, and a request must be answered.
COMMAND_MAX, ANSWER_MAX = 60.0, 60.0


@dataclass
class Answer:
    """What came back: the head as text, and the body. A body that breaks off is what was read of it."""

    status: int
    head: str
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.body or b"null")


def send(port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    """One request on a connection of its own. `body` is sent as JSON unless it is bytes; status 0: no answer."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_MAX)
    try:
        connection.request(method, path, data, {"content-type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        try:
            read = answer.read()
        except http.client.IncompleteRead as part:
            read = part.partial
        return Answer(answer.status, str(answer.headers), read)
    except (http.client.HTTPException, ConnectionError) as error:
        return Answer(0, str(error), b"")
    finally:
        connection.close()


class Control:
    """The simulator, the gateway, and its operator."""

    def __init__(self, folder: Path, admin_key: str, log: str = "info", env: dict[str, str] | None = None) -> None:
        self.folder, self.admin_key, self.level, self.env = folder, admin_key, log, env or {}
        self.mock_port, self.port, self.admin_port = free_port(), free_port(), free_port()
        self.config, self.state = folder / "interlingua.yaml", folder / "state"
        # Not beside the configuration: its folder is watched, and each line at level trace would be an event there.
        self.log = folder / "log" / "gateway.log"
        self.log.parent.mkdir()
        self.programs: list[Program] = []
        #: Texts that anybody was shown: answers, and the output of commands.
        self.shown: list[tuple[str, bytes]] = []

    def start(self, config: dict[str, Any], script: dict[str, Any]) -> None:
        self.write(config)
        rules = self.folder / "mock.yaml"
        rules.write_text(json.dumps(script))  # JSON is YAML.
        arguments = ["mock", "--listen", f"127.0.0.1:{self.mock_port}", "--script", str(rules)]
        self.programs.append(Program.start("mock", arguments, self.folder / "mock.log"))
        arguments = ["serve", "--config", str(self.config), "--log", self.level]
        self.programs.append(Program.start("gateway", arguments, self.log, self.env))
        try:
            self.programs[0].wait_until(f"http://127.0.0.1:{self.mock_port}/_mock/health")
            self.programs[1].wait_until(f"http://127.0.0.1:{self.port}/readyz")
        except RuntimeError:
            self.stop()
            raise

    def write(self, config: dict[str, Any] | str) -> None:
        self.config.write_text(config if isinstance(config, str) else json.dumps(config, indent=1))

    def api(self, method: str, path: str, body: Any = None, key: str | None = None) -> Answer:
        """Asks the admin API."""
        headers = {"authorization": f"Bearer {self.admin_key if key is None else key}"}
        return self.note(f"{method} {path}", send(self.admin_port, method, path, body, headers))

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """Asks the gateway as a client does."""
        return self.note(f"{method} {path.split('?')[0]}", send(self.port, method, path, body, headers))

    def note(self, what: str, answer: Answer) -> Answer:
        self.shown.append((f"head of {what} ({answer.status})", answer.head.encode()))
        self.shown.append((f"answer of {what} ({answer.status})", answer.body))
        return answer

    def run(self, *arguments: str, stdin: str = "", env: dict[str, str] | None = None, log: str = "info") -> Answer:
        """Runs a command; its exit code is the status, its standard error the head."""
        environment = {**os.environ, "INTERLINGUA_CONFIG": str(self.config), "INTERLINGUA_LOG": log, **(env or {})}
        done = subprocess.run(
            [BINARY, *arguments], input=stdin.encode(), capture_output=True, timeout=COMMAND_MAX, env=environment,
            cwd=self.folder,
        )
        answer = Answer(done.returncode, done.stderr.decode(errors="replace"), done.stdout)
        return self.note(f"command {' '.join(arguments[:3])}", answer)

    def stop(self) -> None:
        for program in reversed(self.programs):
            program.stop()
