# make quickstart   the guided tour: pack, train, score, generate
# make test         the tests            make lint   style, types, storeys
# make completions  regenerate completions/ and docs/cli.md from the program
#
# Each creates its own virtual environment (VENV, .venv by default) and renews it only when pyproject.toml
# or constraints.txt change. Another Python: make PYTHON=/path/to/python3 test

VENV ?= .venv
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
RUN = $(VENV)/bin/python -m

.PHONY: quickstart test lint completions clean

quickstart: $(VENV)/.installed
	$(RUN) bbyte quickstart

test: $(VENV)/.installed-dev
	$(RUN) pytest -n 2

lint: $(VENV)/.installed-dev
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy --strict src
	$(VENV)/bin/lint-imports

completions: $(VENV)/.installed-dev
	$(VENV)/bin/python completions/generate.py
	$(VENV)/bin/python docs/cli.py

clean:
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "bbyte needs Python 3.11 or newer; try: make PYTHON=/path/to/python3 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(RUN) pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(RUN) pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $(VENV)/.installed $@
