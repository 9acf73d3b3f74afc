#!/usr/bin/env bash
# Fuzzes every target for SECONDS_EACH seconds (default 30), AT_ONCE=2 at a time. Seeds are the fixtures of the dialects.
# An input that makes a target fail is kept in fuzz/artifacts; `cargo fuzz run TARGET FILE` shows the failure again.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-${SECONDS_EACH:-30}}
at_once=${AT_ONCE:-2}
command -v cargo-fuzz >/dev/null || { echo "installing cargo-fuzz"; cargo install --quiet --locked cargo-fuzz; }
# A sanitizer needs unstable options, which a stable compiler takes when it is told to.
rustup toolchain list 2>/dev/null | grep -q nightly && toolchain=+nightly || { toolchain=; export RUSTC_BOOTSTRAP=1; }
targets=$(sed -n 's/^name = "\(.*\)"$/\1/p' Cargo.toml | tail -n +2)
cargo $toolchain fuzz build --fuzz-dir .

# What a target reads beside the dialects' fixtures.
seeds() {
  case "$1" in
    config) echo ../conf/*.yaml ../conf/examples/*.yaml ;;
    *) echo seeds/"$1"/* ;;
  esac
}

fuzz() {
  mkdir -p "corpus/$1" "artifacts/$1"
  for file in ../filters/src/dialects/*/fixtures/* $(seeds "$1"); do
    if [ -f "$file" ]; then cp -n "$file" "corpus/$1/$(echo "$file" | tr / _)"; fi
  done
  log=artifacts/$1.log
  # 256 MB for one allocation, 1 GB in all with the sanitizer's own; 64 KiB in 5 s at worst, by the wall clock: give more
  # (UNIT_SECONDS_MAX) where the machine is busy with other work.
  cargo $toolchain fuzz run --fuzz-dir . "$1" -- -max_total_time="$seconds" -max_len=65536 -timeout="${UNIT_SECONDS_MAX:-5}" \
    -malloc_limit_mb=256 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 >"$log" 2>&1 \
    && echo "$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s, no failure" \
    || { echo "$1: FAILED, see fuzz/$log"; tail -n 40 "$log"; return 1; }
}

failed=0
running=0
for target in $targets; do
  fuzz "$target" &
  running=$((running + 1))
  if [ "$running" -ge "$at_once" ]; then
    wait -n || failed=1
    running=$((running - 1))
  fi
done
while [ "$running" -gt 0 ]; do
  wait -n || failed=1
  running=$((running - 1))
done
exit "$failed"
