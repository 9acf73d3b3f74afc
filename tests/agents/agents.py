"""Lets real agent CLIs finish a tool-using turn through the gateway, against the provider simulator.

Each agent is set up as README.md says ("Point your agent at it"), with the port and the model replaced. The simulated
model calls the agent's shell tool; the agent runs the command and sends its output; the answer quotes it. Dummy keys, a
scratch home, telemetry off, and proxies that lead to a dead port: nothing leaves this machine.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/debug/interlingua"
BIN = ROOT / ".agents/node_modules/.bin"

AGENT_SECONDS = 90
START_SECONDS = 20

# Commands whose output stands nowhere in the prompt.
COMMANDS = {"printf interlingua-%s-here was": "interlingua-was-here", "printf and-%s-too here": "and-here-too"}
ACCOUNT_KEY = "account-key-of-the-gateway"
ACCOUNT_KEY_HASH = hashlib.sha256(ACCOUNT_KEY.encode()).hexdigest()[:12]

# Upstream by what it is called here: the model that leads there, and the dialect that has to arrive.
UPSTREAMS = {
    "openai_responses": ("gpt-5", "openai_responses"),
    "openai_chat": ("chat/gpt-5", "openai_chat"),
    "anthropic": ("claude-sonnet-4-5", "anthropic"),
    "anthropic-4-6": ("claude-opus-4-6", "anthropic"),
    "gemini": ("gemini-2.5-pro", "gemini"),
    "gemini-3": ("gemini-3-pro-preview", "gemini"),
}

# What the simulated model does before it calls, and how many calls it makes at once.
SCENARIOS = {"tool": 1, "text-tool": 1, "think-tool": 1, "two tools": 2}

CONFIGURATION = """\
server: {{ listen: '127.0.0.1:{port}' }}
state: {{ enabled: false }}
upstreams:
  - {{ id: openai, dialect: openai_responses, base_url: 'http://127.0.0.1:{mock}/v1' }}
  - {{ id: openai-chat, dialect: openai_chat, base_url: 'http://127.0.0.1:{mock}/v1' }}
  - {{ id: anthropic, dialect: anthropic, base_url: 'http://127.0.0.1:{mock}' }}
  - {{ id: gemini, dialect: gemini, base_url: 'http://127.0.0.1:{mock}' }}
accounts:
  - {{ id: all, upstream: [openai, openai-chat, anthropic, gemini], credential: {key} }}
models:
  - {{ match: 'gpt-*', upstream: openai }}
  - {{ match: 'chat/*', upstream: openai-chat, model: '{{1}}' }}
  - {{ match: 'claude-*', upstream: anthropic }}
  - {{ match: 'gemini-*', upstream: gemini }}
"""


class Failed(Exception):
    """Why a turn is not as it should be."""


def readme(agent):
    """The code spans of the agent's row in README.md."""
    row = re.search(rf"^\| {re.escape(agent)} \|(.*)\|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    if not row:
        raise SystemExit(f"README.md has no row for {agent}")
    return re.findall(r"`([^`]+)`", row[1])


def command_of(agent, gateway, model):
    """Environment and arguments of the shell command in the agent's row."""
    command = next(span for span in readme(agent) if re.match(r"[A-Z_]+=", span))
    words = shlex.split(command.replace("http://localhost:8080", gateway))
    env = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    args = words[len(env) :]
    args[args.index(next(word for word in args if word in ("--model", "-m"))) + 1] = model
    return env, args


def claude_code(home, gateway, model, prompt):
    env, args = command_of("Claude Code", gateway, model)
    env |= {
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_TELEMETRY": "1",
    }
    return env, [*args, "--allowedTools", "Bash", "-p", prompt]


def codex(home, gateway, model, prompt):
    env, args = command_of("Codex CLI", gateway, model)
    file, *lines, _ = readme("Codex CLI")
    path = home / file.removeprefix("~/")
    path.parent.mkdir(parents=True, exist_ok=True)
    quiet = ["check_for_update_on_startup = false", lines[0], "[analytics]", "enabled = false"]
    path.write_text("\n".join([*quiet, *lines[1:], ""]).replace("http://localhost:8080", gateway))
    # Its sandbox asks more of the kernel than a container gives; the only command is ours.
    open_door = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    return env, [args[0], "exec", *open_door, *args[1:], prompt]


def gemini_cli(home, gateway, model, prompt):
    env, args = command_of("Gemini CLI", gateway, model)
    _, file, auth = readme("Gemini CLI")
    settings = json.loads(auth) | {
        "general": {"disableAutoUpdate": True, "enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
    }
    path = home / file.removeprefix("~/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings))
    return env, [*args, "--approval-mode", "yolo", "--skip-trust", "-p", prompt]


# Name: how it is run, its own dialect, its shell tool, and the argument that is the command.
AGENTS = {
    "Claude Code": (claude_code, "anthropic", "Bash", "command"),
    "Codex CLI": (codex, "openai_responses", "exec_command", "cmd"),
    "Gemini CLI": (gemini_cli, "gemini", "run_shell_command", "command"),
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(method, url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        urllib.request.Request(url, method=method), timeout=10
    ) as answer:
        return answer.read()


@contextlib.contextmanager
def running(folder, name, args, health):
    """A process of the gateway's program, from its first sign of health to the end of the block."""
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen([PROGRAM, *args], stderr=log, stdout=log, cwd=folder)
    try:
        end = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                ask("GET", health)
                break
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{name} did not start:\n{(folder / f'{name}.log').read_text()}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run_agent(args, env, cwd):
    """Exit code and output. The agent has its own process group, so that nothing of it stays."""
    process = subprocess.Popen(
        [BIN / args[0], *args[1:]],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=AGENT_SECONDS)
        return process.returncode, out, err
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise Failed(f"no end after {AGENT_SECONDS} s: {(out + err)[-300:]}") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def received(mock):
    """The questions for an answer that arrived at the simulator."""
    return [r for r in json.loads(ask("GET", f"{mock}/_mock/requests"))["requests"] if r["method"] == "POST"]


def turn(agent, upstream, scenario, folder, gateway, mock):
    """One turn; raises Failed with the reason."""
    prepare, _, tool, argument = AGENTS[agent]
    model, dialect = UPSTREAMS[upstream]
    home, cwd = folder / "home", folder / "work"
    home.mkdir(parents=True)
    cwd.mkdir()
    told = list(COMMANDS.items())[: SCENARIOS[scenario]]
    word = scenario if SCENARIOS[scenario] == 1 else "tool"
    calls = [f"[[{word}:{tool} {json.dumps({argument: command})}]]" for command, _ in told]
    prompt = f"Please run it. {' '.join(calls)}"
    own, args = prepare(home, gateway, model, prompt)
    dead = f"http://127.0.0.1:{free_port()}"
    env = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "TMPDIR": str(folder),
        "TERM": "dumb",
        "LANG": "C.UTF-8",
        "CI": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        **dict.fromkeys(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"], dead),
        **own,
    }
    ask("DELETE", f"{mock}/_mock/requests")
    code, out, err = run_agent(args, env, cwd)
    (folder / "agent.log").write_text(f"exit {code}\n--- stdout\n{out}\n--- stderr\n{err}\n")
    (folder / "requests.json").write_bytes(ask("GET", f"{mock}/_mock/requests"))
    requests = received(mock)
    refused = [f"{r['status']} for {r['target']}" for r in requests if r["status"] != 200]
    if refused:
        raise Failed(f"the provider refused: {', '.join(refused)}")
    if code != 0:
        raise Failed(f"exit code {code}: {(err or out).strip()[-300:]}")
    if len(requests) != 2:
        raise Failed(f"{len(requests)} requests instead of 2")
    if any(r["dialect"] != dialect for r in requests):
        raise Failed(f"the provider was asked in {requests[0]['dialect']}")
    if any(ACCOUNT_KEY_HASH not in r["key"] for r in requests):
        raise Failed("the provider saw another key than the account's")
    first, second = (json.dumps(r["body"]) for r in requests)
    for _, output in told:
        if output in first or output not in second:
            raise Failed("the tool's result did not arrive")
        if "The tool returned: " not in out or output not in out:
            raise Failed(f"the answer does not quote the tool: {out.strip()[-300:]}")


def main():
    wanted = sys.argv[1:]
    rows = [
        (agent, upstream)
        for agent in AGENTS
        for upstream in UPSTREAMS
        if not wanted or all(word.lower() in f"{agent} {upstream}".lower() for word in wanted)
    ]
    if not rows:
        raise SystemExit(f"nothing is called {' '.join(wanted)}; agents: {', '.join(AGENTS)}; upstreams: {', '.join(UPSTREAMS)}")
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="interlingua-agents-"))
    port, mock_port = free_port(), free_port()
    gateway, mock = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{mock_port}"
    file = scratch / "interlingua.yaml"
    file.write_text(CONFIGURATION.format(port=port, mock=mock_port, key=ACCOUNT_KEY))
    failures = 0
    with (
        running(scratch, "mock", ["mock", "--listen", f"127.0.0.1:{mock_port}"], f"{mock}/_mock/health"),
        running(scratch, "serve", ["serve", "--config", file], f"{gateway}/readyz"),
    ):
        print(f"{'agent':12} {'upstream':17} {'lane':8} " + " ".join(f"{s:11}" for s in SCENARIOS), flush=True)
        for agent, upstream in rows:
            lane = "splice" if UPSTREAMS[upstream][1] == AGENTS[agent][1] else "convert"
            cells, reasons = [], []
            for scenario in SCENARIOS:
                began = time.monotonic()
                folder = scratch / f"{agent}-{upstream}-{scenario}".lower().replace(" ", "-")
                try:
                    turn(agent, upstream, scenario, folder, gateway, mock)
                    cells.append(f"ok {time.monotonic() - began:.1f} s")
                except Failed as failed:
                    cells.append("FAILED")
                    reasons.append(f"    {scenario}: {failed}\n    see {folder}")
            failures += len(reasons)
            print(f"{agent:12} {upstream:17} {lane:8} " + " ".join(f"{cell:11}" for cell in cells), flush=True)
            print("\n".join(reasons) + "\n" if reasons else "", end="", flush=True)
    print(f"{len(rows) * len(SCENARIOS) - failures} turns are ok, {failures} failed" + (f"; logs in {scratch}" if failures else ""))
    if not failures:
        shutil.rmtree(scratch, ignore_errors=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
