# `make demo`, `make test` and `make bench` do everything, their set-up included.

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint types browser unit terraform viewer e2e docs format lock clean

VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/ready

help:
	@echo "make demo    apply the local example on an embedded AWS and watch an execution of two waves (KEEP=1 lets it run on)"
	@echo "make test    lint, types, unit tests, plan tests, the viewer in a browser, end-to-end tests"
	@echo "make bench   what docs/performance.md says, measured: some ten minutes"
	@echo "make format  format the code; make docs: the tables of README and docs; make lock: requirements-dev.txt; make clean"

demo: $(READY)
	$(RUN) -m tests.support.demo

test: lint types browser
	$(RUN) -m pytest -n 4 --dist loadfile
	$(RUN) -m pytest tests/benchmarks # by themselves: beside them, applies would be late

bench: $(READY)
	$(RUN) -m benchmarks

lint: $(READY)
	terraform fmt -check -recursive .
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .

types: $(READY)
	$(RUN) -m mypy

browser: $(READY)
	@$(RUN) -m tests.support.browser

unit terraform e2e: $(READY)
	$(RUN) -m pytest tests/$@

viewer: browser
	$(RUN) -m pytest tests/$@

docs: $(READY)
	$(RUN) -m tests.support.readme
	$(RUN) -m benchmarks.performance
	$(RUN) -m benchmarks.cost

format: $(READY)
	terraform fmt -recursive .
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

lock: $(READY)
	$(RUN) -m uv pip compile --quiet --universal --python-version 3.11 requirements-dev.in -o requirements-dev.txt

clean:
	rm -rf $(VENV) .cache builds .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The first Python on the machine that is new enough.
$(READY): requirements-dev.txt
	@command -v terraform >/dev/null || { echo "Terraform >= 1.9 is needed: https://developer.hashicorp.com/terraform/install"; exit 1; }
	@python=$$(for p in python3 python3.13 python3.12 python3.11; do \
	  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done); \
	test -n "$$python" || { echo "Python >= 3.11 is needed, with its venv module"; exit 1; }; \
	echo "Setting up $(VENV) with $$($$python --version): about a minute, once"; \
	$$python -m venv --clear $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
