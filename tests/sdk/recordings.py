"""Answers as providers give them: a few of this repository, and with INTERLINGUA_CORPUS a folder of recorded traffic."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from plan import CLIENTS

OWN = Path(__file__).parent / "recorded"
#: How the last event of an answer begins; a file with several of them holds several answers.
ENDS = (b'"type":"message_stop"', b'"type": "message_stop"', b"data: [DONE]", b"event: response.completed")

#: Pictures that somebody shortened by hand are no base64 any more.
SHORTENED = re.compile(rb'"result": ?"[A-Za-z0-9+/]+\.\.\.')


@dataclass(frozen=True)
class Recording:
    """One answer of a provider, byte for byte."""

    name: str
    dialect: str
    stream: bool
    file: Path
    #: Number of calls, where the recorder tells.
    calls: int | None = None

    def __str__(self) -> str:
        return f"{self.dialect}-{self.name}"


def own() -> list[Recording]:
    return [
        Recording(file.stem, dialect, file.suffix == ".sse", file)
        for dialect in CLIENTS
        for file in sorted(OWN.glob(f"{dialect}_*"))
    ]


def recorded() -> list[Recording]:
    folder = os.environ.get("INTERLINGUA_CORPUS")
    if not folder:
        return []
    found = []
    for line in (Path(folder) / "index.jsonl").read_text().splitlines():
        entry = json.loads(line)
        file = Path(folder) / entry["dialect"] / f"{entry['id']}.resp"
        is_answer = entry["status"] == 200 and entry["kind"] != "count_tokens" and file.exists()
        if entry["stream"] and entry["dialect"] == "openai_responses" and not adds_up(file):
            continue
        if SHORTENED.search(file.read_bytes()):
            continue
        if is_answer and sum(file.read_bytes().count(end) for end in ENDS) < 2:
            calls = (entry["expected"] or {}).get("tool_calls")
            found.append(Recording(entry["id"], entry["dialect"], entry["stream"], file, None if calls is None else len(calls)))
    return found


def adds_up(file: Path) -> bool:
    """Whether the pieces of a Responses stream are the text that its end repeats; files that were trimmed are not."""
    pieces, whole = "", ""
    for line in file.read_text(errors="replace").splitlines():
        if line.startswith("data: {"):
            event = json.loads(line.removeprefix("data: "))
            if event.get("type") == "response.output_text.delta":
                pieces += event["delta"]
            if event.get("type") == "response.output_text.done":
                whole += event["text"]
    return pieces == whole


ALL = own() + recorded()
