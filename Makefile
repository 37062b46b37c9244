# Two commands on a fresh machine: `make demo` and `make test`.
# CONTRIBUTING.md says when to run the others.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt
# Two processes; one that has run its half takes over tests of the other.
WORKERS := -n 2 --dist worksteal

.PHONY: demo docs test test-contract test-lowest

demo: .venv/demo-installed
	$(BIN)/python examples/quickstart.py

test: .venv/test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) docs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(WORKERS)  # on tiny nets, threads cost time

# The site, in docs/_build/html; the notebooks are shown as they were saved.
docs: .venv/docs-installed
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -n -q -E docs docs/_build/html

# The lower bounds of pyproject.toml; old releases may warn of their own deprecations.
LOWEST := OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -o filterwarnings= $(WORKERS)
# All of it but the pages, the notebooks and the scripts, which run for longest.
CONTRACT := tests --ignore=tests/test_docs.py --ignore-glob='tests/*benchmarks*'

test-lowest: .venv-lowest/installed
	$(LOWEST) tests

# What the library owes scikit-learn, under the lower bounds: about three minutes.
test-contract: .venv-lowest/installed
	$(LOWEST) $(CONTRACT)

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
