# Each target sets up all it needs: a fresh machine wants Python 3.11+ and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
MUTATING := $(VENV)/.mutating
MUTANTS := build/mutation
TEST_ARGS ?= -n 3 --dist worksteal

.PHONY: help install demo dev test mutation check format requirements bench clean

help:            ## show the targets
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/: .*## /\t/' | expand -t 16

install: $(INSTALLED) ## build .venv from the hash-pinned requirements

$(INSTALLED): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Countersign needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(INSTALLED)

demo: $(INSTALLED) ## run the sample orders end to end (KEEP=1 leaves everything running)
	$(BIN)/countersign demo $(if $(KEEP),--keep)

dev: $(INSTALLED) ## the embedded stack to live in; state in ./.countersign/
	$(BIN)/countersign dev

test: $(INSTALLED) ## the tests
	$(BIN)/python -m pytest $(TEST_ARGS) $(TESTS)

mutation: $(MUTATING) ## change the approval rules in a thousand ways: do the tests notice? (docs/testing.md)
	rm -rf $(MUTANTS)
	mkdir -p $(MUTANTS)
	cp -r domain tests pyproject.toml $(MUTANTS)
	cd $(MUTANTS) && $(abspath $(BIN))/python -m tests.domain.mutation

$(MUTATING): requirements/mutation.txt $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/mutation.txt
	touch $(MUTATING)

check: $(INSTALLED) ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## rewrite the files as `make check` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

requirements: $(INSTALLED) ## compile requirements/*.txt from pyproject.toml
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --extra dev --extra test pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header -c requirements/dev.txt pyproject.toml -o requirements/base.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header -c requirements/dev.txt --extra mutation pyproject.toml -o requirements/mutation.txt

bench: $(INSTALLED) ## measure (bench/README.md)
	$(BIN)/python -m bench

clean:           ## remove what the targets made
	rm -rf $(VENV) .countersign build *.egg-info
