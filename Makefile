# Two commands on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo test

demo: .venv/demo-installed
	$(BIN)/python examples/quickstart.py

test: .venv/test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest  # on tiny nets, threads cost time

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo-installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) --editable ".[plot]"
	touch $@

.venv/test-installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) --editable ".[test]"
	touch $@
