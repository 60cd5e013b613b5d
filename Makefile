# Every command installs what it needs first: `make demo` and `make test` work on a fresh clone.
VENV := .venv
PYTHON ?= python3
STAMP := $(VENV)/.installed
RUN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help init check test test-long bench soak demo clean

help:            ## show this list
	@grep -E '^[a-z-]+: .*##' Makefile | sed 's/:.*##/ -/'

init: $(STAMP)   ## create .venv with pinned packages, compile kernels

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --constraint constraints.txt 'torch>=2.13,<2.14' 'setuptools>=80'
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	$(RUN)/python -c 'import moray.router.backbone'  # compiles its kernels
	touch $(STAMP)

check: $(STAMP)  ## lint and types
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

test: check      ## lint, types, unit and integration tests
	$(RUN)/python -m pytest -m 'not long' --numprocesses 2 --dist loadfile

test-long: $(STAMP)  ## the suites that take longer: many configurations, fuzzing
	$(RUN)/python -m pytest -m long --timeout 3600

bench: $(STAMP)  ## every benchmark, a table of claims; each one's JSON in bench-results/
	$(RUN)/python benchmarks/table.py

soak: $(STAMP)   ## half an hour at saturation: does anything grow?
	$(RUN)/python benchmarks/soak.py

demo: $(STAMP)   ## a whole network on this machine, streaming tokens
	@$(RUN)/moray demo

clean:           ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis src/*.egg-info
