# Each target installs the Python and Node.js packages that it needs. Run `make check` after each edit, and
# `make test` before you commit.

.DEFAULT_GOAL := help
.PHONY: help package demo demo-plan check test bench lint types javascript browser unit terraform faults viewer e2e docs provider-schema screenshots format lock clean

VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/ready
NODE_READY := node_modules/ready

# Its import takes as long as several hundred unit tests, in each process.
WITHOUT_SCHEMATHESIS := -p no:schemathesis --ignore tests/unit/api/test_openapi.py

# npm and its scripts use the Node.js of the virtual environment.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z].*## / { printf "make %-10s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

package: $(NODE_READY) ## build the viewer and the deployment package. Commit both together with the sources
	@npm run --silent build
	@$(RUN) -m tests.support.package

demo: $(READY) ## apply the local example on an AWS emulator (MiniStack), replay two waves and show them (KEEP=1 keeps it running)
	@$(RUN) -m tests.support.package >/dev/null
	PYTHONPATH=lambda_src $(RUN) -m tests.support.demo

demo-plan: $(READY) ## as demo, with a recovery plan of DRS: a retried step, a wait, an optional failure and a skipped step
	@$(RUN) -m tests.support.package >/dev/null
	PYTHONPATH=lambda_src $(RUN) -m tests.support.demo_plan

check: package lint types javascript ## fast checks: format, lint, types, unit tests with few examples, one plan of the defaults
	TEST_PROFILE=check $(RUN) -m pytest -q -n 2 -m "not slow" $(WITHOUT_SCHEMATHESIS) tests/terraform/test_defaults.py tests/unit

test: lint types javascript browser ## everything: checks, unit, plan, fault, browser and end-to-end tests, short benchmarks
	$(RUN) -m pytest -n 5

bench: $(READY) ## measure the figures of docs/performance.md, about 25 minutes
	$(RUN) -m benchmarks

lint: $(READY) ## format and lint of HCL and Python
	terraform fmt -check -recursive .
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .

types: $(READY) ## types of the Python package
	$(RUN) -m mypy

javascript: $(NODE_READY) ## format, lint, types, tests and build of the viewer
	npm run --silent check

browser: $(READY) ## install Chromium for the viewer's tests, if there is none
	@$(RUN) -m tests.support.browser

unit terraform faults e2e: $(READY) ## one folder of tests
	$(RUN) -m pytest tests/$@

viewer: browser ## the tests of the viewer in a browser
	$(RUN) -m pytest tests/$@

docs: $(READY) ## generate the tables in README.md and docs/
	$(RUN) -m tests.support.readme
	PYTHONPATH=lambda_src $(RUN) -m tests.support.known_errors
	$(RUN) -m benchmarks --pages

provider-schema: $(READY) ## extract the schema of provider 6 to tests/data, after the module uses a new resource type
	$(RUN) -m tests.support.provider_schema

screenshots: browser ## take the screenshots of the viewer in docs/, and of each of its states in .cache/screenshots
	PYTHONPATH=lambda_src $(RUN) -m tests.support.screenshots

format: $(READY) $(NODE_READY) ## format HCL, Python and JavaScript
	terraform fmt -recursive .
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .
	npm run --silent format

lock: $(READY) ## compile requirements-dev.in to requirements-dev.txt
	$(RUN) -m uv pip compile --quiet --universal --python-version 3.11 requirements-dev.in -o requirements-dev.txt

clean: ## remove what the other targets create
	rm -rf $(VENV) node_modules .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The first Python on the machine that is new enough.
$(READY): requirements-dev.txt
	@command -v terraform >/dev/null || { echo "Install Terraform 1.9 or later: https://developer.hashicorp.com/terraform/install"; exit 1; }
	@python=$$(for p in python3 python3.13 python3.12 python3.11; do \
	  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done); \
	test -n "$$python" || { echo "Install Python 3.11 or later with its venv module"; exit 1; }; \
	echo "Creating $(VENV) with $$($$python --version). This takes about a minute and is done once."; \
	$$python -m venv --clear $(VENV)
	$(RUN) -m pip install -qq --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(NODE_READY): $(READY) package.json package-lock.json
	npm ci --ignore-scripts --silent --no-audit --no-fund
	@touch $@
