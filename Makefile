# Everything runs in a virtual environment that this file makes from the hash-pinned lock.
# Needed on the machine: Python 3.11+, make and the Python package index.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PROCESSES ?= 3
UV     := $(shell command -v uv 2>/dev/null)
STAMP  := $(VENV)/.installed
CODE   := domain store activities workflows workers api cli

# Where this is set, each of the many processes that the tests start compiles the whole code again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test conformance chaos browser schema lint types contracts check bench lock clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "stonks needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; set PYTHON=/path/to/python3.11")'
ifneq ($(UV),)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
else
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endif
	@touch $@

install: $(STAMP) ## Make the virtual environment from the lock

demo: $(STAMP) ## Replay a real past fortnight through the whole pipeline
	$(BIN)/stonks demo

test: $(STAMP) ## Run the whole test suite on real servers [ARGS=... PROCESSES=3, each with servers of its own]
	@$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS) || \
	{ code=$$?; [ $$code -eq 1 ] && [ -z '$(ARGS)' ] || exit $$code; \
	  echo "Once more and alone, what failed. What passes now is unsteady, named above, and to be mended all the same:"; \
	  $(BIN)/python -m pytest --last-failed --last-failed-no-failures none --maxfail 1 -rfEp; }

conformance: $(STAMP) ## Independent, unmodified clients against the paper broker
	$(BIN)/python -m tests.conformance.environments build/conformance
	CONFORMANCE_ENVIRONMENTS=build/conformance $(BIN)/python -m pytest tests/conformance -rs $(ARGS)

browser: $(STAMP) ## Walk through the dashboard with a real browser; pictures in build/browser
	$(BIN)/python -m tests.browser.environment build/browser
	BROWSER_DIRECTORY=build/browser $(BIN)/python -m pytest tests/browser -rs $(ARGS)

chaos: $(STAMP) ## Kill processes and break the broker in the middle of orders [TRIALS=1000 SEED=n MINUTES=m ONLY=trial IN_FLIGHT=s HOUSES=k]
	$(BIN)/python -m tests.chaos --trials $(or $(TRIALS),100) $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),--only $(ONLY)) $(if $(IN_FLIGHT),--in-flight $(IN_FLIGHT)) $(if $(HOUSES),--houses $(HOUSES))

schema: $(STAMP) ## Generated requests against every route of the running API [EXAMPLES=100 SECONDS=s]
	$(BIN)/python -m tests.api.schema_run --examples $(or $(EXAMPLES),100) $(if $(SECONDS),--seconds $(SECONDS))

lint: $(STAMP) ## Ruff: style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## mypy, strict on domain, store, workflows and activities
	$(BIN)/mypy

contracts: $(STAMP) ## import-linter: the layers
	$(BIN)/lint-imports --no-cache

check: lint types contracts test ## What CI runs

bench: $(STAMP) ## Benchmarks, as ratios taken in one run [ONLY=name]
	$(BIN)/python -m tests.benchmarks $(if $(ONLY),--only $(ONLY))

lock: ## Resolve the dependencies again and pin them with hashes (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" -q -o requirements.lock $(LOCK_ARGS)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" -q -o requirements-dev.lock $(LOCK_ARGS)

clean: ## Remove the virtual environment and build output (never the state directories)
	rm -rf $(VENV) build *.egg-info
