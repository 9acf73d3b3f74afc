"""The walk-through of README.md, line by line: from an empty folder to accounts, a client, a mapping and their books."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from stack import BINARY, ROOT

#: Seconds that all of it may take.
LONGEST = 120.0
HEADING = "### All by command, without a file"


def walk() -> str:
    """The lines as README.md has them."""
    section = (ROOT / "README.md").read_text().split(HEADING, 1)[1]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block, "the section has its lines"
    return block[1]


def alone(command: list[str]) -> list[str]:
    """In a network of its own where that is allowed, so that the usual ports are free."""
    own = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    tried = subprocess.run([*own, "true"], capture_output=True) if shutil.which("unshare") else None
    return [*own, *command] if tried and tried.returncode == 0 else command


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder with the program, and with a browser that agrees to whatever it is shown."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "interlingua").symlink_to(BINARY)
    browser = folder / "xdg-open"
    browser.write_text('#!/bin/sh\nexec curl -sL -o /dev/null "$1"\n')
    browser.chmod(0o755)
    return folder


def test_the_walk_through_leads_where_it_says(tmp_path: Path, path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    # Each line is said before what it prints; what was started is ended with the shell.
    script = f"set -eu\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\nset -v\n{walk()}"
    environment = {"PATH": f"{path}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    done = subprocess.run(
        alone(["bash", "-c", script]), cwd=empty, env=environment, capture_output=True, text=True, timeout=LONGEST
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    out = done.stdout
    assert out.count("You said: Hello") == 2, said
    assert '"model":"fast"' in out.replace(" ", ""), "the answer names the model that was asked for"
    searched = out[out.index("TIME") if "TIME" in out else 0 :]
    for words in (["laptop", "fast"], ["laptop", "vertex/gemini-2.5-pro"]):
        lines = [line for line in searched.splitlines() if all(word in line for word in words)]
        assert len(lines) >= 2, f"{words}: a line of the log and one of the usage in\n{said}"
    assert re.search(r"^work .*\bready\b", out.splitlines()[-3] + "\n" + out, re.MULTILINE), said
    assert "key-work" not in out + "".join(
        file.read_bytes().decode("latin-1") for file in (empty / "try").rglob("*") if file.is_file()
    ), "the key is nowhere in what is kept"
    assert os.listdir(empty) == ["try"]
