#!/usr/bin/env bash
# Real agent CLIs through the gateway, with the provider simulator behind it. Nothing leaves this machine but the
# installation from npm, the first time. Arguments go to agents.py: names of agents or upstreams narrow the table.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=$root/.agents

for tool in node npm python3; do
    command -v "$tool" >/dev/null || { echo "make agents needs $tool (node 20 or later; Debian: apt-get install nodejs npm python3)" >&2; exit 1; }
done

if ! cmp -s "$here/package-lock.json" "$cache/installed"; then
    echo "installing Claude Code, Codex CLI and Gemini CLI from npm into $cache (about 750 MB)"
    mkdir -p "$cache"
    cp "$here/package.json" "$here/package-lock.json" "$cache/"
    # No scripts of strangers but the one that puts Claude Code's program in its place.
    npm ci --prefix "$cache" --ignore-scripts --no-audit --no-fund --loglevel=error
    node "$cache/node_modules/@anthropic-ai/claude-code/install.cjs"
    cp "$here/package-lock.json" "$cache/installed"
fi

exec python3 "$here/agents.py" "$@"
