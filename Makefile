# Targets of the project. `make demo` and `make test` need Python 3.11+ and make, and nothing else.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
CACHE  := $(or $(KDL_CACHE_HOME),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kdl)

# Tests start hundreds of short programs: each would compile anew all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv demo test unit lint types contracts format crds assets images e2e conformance bench bench-runtime docs clean

help: ## This list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

venv: $(STAMP) ## The environment in .venv, made when setup.cfg has changed

$(STAMP): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(f"Python 3.11 to 3.13 is needed and {sys.executable} is {v[0]}.{v[1]}: call make with PYTHON=/path/to/python3.12") if not (3, 11) <= v < (3, 14) else None'
	@echo "making the environment in $(VENV) (a minute the first time)"
	@$(PYTHON) -m venv $(VENV)
	@# Not compiled: most of it is never imported, and the rest is when it is.
	@$(BIN)/pip install --no-compile --quiet --disable-pip-version-check --editable '.[local,examples,bench,test,dev]'
	@touch $@

demo: $(STAMP) ## A distributed XGBoost training on a local cluster, from nothing to the accuracy
	@$(BIN)/kdl demo xgboost --output build/demo

test: lint types contracts unit ## Everything that is checked before a commit

unit: $(STAMP) ## The tests alone; PYTEST_ARGS adds options
	$(BIN)/pytest -n auto --dist loadgroup --junitxml=build/tests.xml -o junit_family=xunit1 $(PYTEST_ARGS)

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check src test examples hack
	$(BIN)/ruff format --check src test examples hack

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy --cache-dir $(CACHE)/mypy

contracts: $(STAMP) ## Who may import whom
	$(BIN)/lint-imports

format: $(STAMP) ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix src test examples hack
	$(BIN)/ruff format src test examples hack

crds: $(STAMP) ## Write deploy/crds anew from the API types
	$(BIN)/kdl crds --output-dir deploy/crds

bench: $(STAMP) ## 200 jobs of 3 pods on the local cluster: time, CPU, requests per job
	$(BIN)/python test/bench/jobs.py $(BENCH_ARGS)

bench-runtime: $(STAMP) ## kdl_runtime beside kopf, lightkube and the official client; writes docs/runtime/benchmark.md
	PYTHONPATH=test $(BIN)/python -m bench.runtime $(BENCH_ARGS)

assets: $(STAMP) ## The real control plane's binaries, found, downloaded or built (twenty minutes at worst, once)
	@$(BIN)/python -m kdl_testing.envtest.assets

images: $(STAMP) ## The container images, made without Docker
	@hack/images build

e2e: $(STAMP) ## The operator on a real Kubernetes: KUBECONFIG's, kind, or a cluster of our own; E2E_ARGS adds options
	@hack/e2e $(E2E_ARGS)

conformance: $(STAMP) ## The API suite on the local cluster and on a real API server, compared
	@hack/conformance

docs: $(STAMP) ## Write the API reference anew from the docstrings
	@PYTHONPATH=hack $(BIN)/python -m apireference

clean: ## Remove the environment and every cache in the checkout
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build src/*.egg-info
