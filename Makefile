# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help demo test test-slow lint types docs wheel audit check bench clean

demo: $(VENV)/.aegan  ## train on the built-in images for two minutes, and say where the report is
	$(BIN)/aegan train fashion --minutes 2

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# `worksteal` gives each process tests that stand together, so that what they share is trained once and not in every process
test: $(VENV)/.dev  ## the tests, warnings as errors, doctests included
	$(BIN)/python -m pytest -m "not slow" -n auto --dist worksteal

test-slow: $(VENV)/.dev  ## the long tests alone
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev  ## ruff, formatting, and which package may import which
	$(BIN)/ruff check src tests bench scripts examples
	$(BIN)/ruff format --check src tests bench scripts examples
	@$(BIN)/lint-imports --no-cache --no-logo

types: $(VENV)/.dev  ## mypy
	$(BIN)/mypy

audit: $(VENV)/.dev  ## known vulnerabilities of what is installed; without a network, says so and passes
	$(BIN)/python scripts/audit.py

docs: $(VENV)/.dev  ## the documentation as a site in build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

wheel: $(VENV)/.dev  ## build the wheel, install it in a clean environment, run it there
	rm -rf build dist && $(BIN)/python -m build --wheel --outdir dist . > /dev/null
	rm -rf build/wheel && $(PYTHON) -m venv build/wheel
	build/wheel/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	build/wheel/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl
	cd build && wheel/bin/aegan --version && wheel/bin/aegan check fashion && wheel/bin/aegan train fashion --steps 4 --no-evaluate --out wheel/run
	! build/wheel/bin/python -m pip freeze | grep -i torchvision

check: lint types test docs audit wheel  ## everything CI runs

bench: $(VENV)/.aegan  ## the README's figures; about an hour
	$(BIN)/python bench/targets.py

clean:  ## remove the virtual environment and what was built
	rm -rf $(VENV) build dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip

$(VENV)/.aegan: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) torch
	$(PIP) --editable ".[eval]"
	touch $@

$(VENV)/.dev: $(VENV)/.aegan
	$(PIP) --editable ".[dev]"
	touch $@
