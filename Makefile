# Two commands do everything: `make run` and `make test`. They install what is missing, and say so.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
VENV := .venv
BIN := target/debug/interlingua
export CARGO_TERM_COLOR ?= auto

.PHONY: help run test fmt lint unit sdk cost laws fuzz kills loom agents tools venv clean simulation faults load cuts

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

run: tools ## Start the gateway with the provider simulator behind it, ready to call
	@test -x $(BIN) || echo "building for the first time: a few minutes"
	cargo build
	./$(BIN) demo

test: fmt lint unit sdk ## Format, lint, unit, property and end-to-end tests

fmt:
	cargo fmt --all --check

lint: tools
	cargo clippy --workspace --all-targets --quiet -- --deny warnings

unit: tools
	cargo nextest run --workspace --no-fail-fast
	cargo test --quiet --package interlingua-client --doc

sdk: tools venv ## End-to-end tests with the vendors' Python SDKs
	cargo build --quiet
	$(VENV)/bin/python -m pytest tests/sdk --quiet

cost: tools ## CPU time a request costs, beside a bare Pingora pass-through
	cargo build --release --quiet --bin interlingua --example floor --example cost
	target/release/examples/cost

cuts: tools ## Cut CUTS=1000 streams at random points: other accounts go on with them, or, switched off, one error ends them
	INTERLINGUA_CUTS=$${CUTS:-1000} cargo nextest run --test gateway --no-capture cut_anywhere | grep 'streams cut'

laws: tools ## The laws of translation over LAW_CASES=500000 generated cases each
	INTERLINGUA_LAW_CASES=$${LAW_CASES:-500000} cargo nextest run --release --profile laws -p interlingua-filters --test laws

simulation: tools ## The pool in a simulated world: SEEDS=5 of each, six hours of its time; prints the table
	INTERLINGUA_SIMULATION_SEEDS=$${SEEDS:-5} cargo nextest run --release --profile laws --test simulation --no-fail-fast \
		--success-output final --failure-output final

faults: tools ## Every fault over every pair of dialects, ROUNDS=10 times
	INTERLINGUA_FAULTS_ROUNDS=$${ROUNDS:-10} cargo nextest run --profile laws --test faults

load: tools ## Load over sockets at 95 % and 150 % of the limits, with broken accounts, with killed providers, with a stalled disk
	cargo build --release --quiet --bin interlingua --example load
	target/release/examples/load

fuzz: ## Fuzz every parser and stream machine, SECONDS_EACH=30 each
	fuzz/run.sh

kills: tools ## Kill the gateway KILLS=200 times under load, and around refreshes: nothing learned and no token is lost
	KILLS=$${KILLS:-200} cargo nextest run --profile laws --no-capture -p interlingua --test gateway kill_9

loom: ## Check the pool's locks and slots under every order of threads
	cd loom && LOOM_MAX_PREEMPTIONS=$${LOOM_MAX_PREEMPTIONS:-2} cargo run --release --quiet

agents: tools ## Real agent CLIs through the gateway (installs them from npm)
	cargo build --quiet
	tests/agents/run.sh

tools:
	@.ci/install-missing

venv: $(VENV)/ready

$(VENV)/ready: tests/sdk/requirements.txt
	@echo "installing the vendors' Python SDKs into $(VENV)"
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

clean: ## Remove what was built
	cargo clean
	rm -rf $(VENV) .agents
