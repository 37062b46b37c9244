# Two commands on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo docs test test-lowest

demo: .venv/demo-installed
	$(BIN)/python examples/quickstart.py

test: .venv/test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) docs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest  # on tiny nets, threads cost time

# The site, in docs/_build/html; the notebooks are shown as they were saved.
docs: .venv/docs-installed
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -n -q -E docs docs/_build/html

# The lower bounds of pyproject.toml; old releases may warn of their own deprecations.
test-lowest: .venv-lowest/installed
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -o filterwarnings= tests

.venv-lowest/installed: pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --constraint constraints-lowest.txt --editable ".[test]"
	touch $@

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo-installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) --editable ".[plot]"
	touch $@

.venv/docs-installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) --editable ".[docs]"
	touch $@

.venv/test-installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) --editable ".[test]"
	touch $@
