# Two commands: `make demo` swaps a face in a photo and in a film, `make test` runs the tests.
PYTHON ?= python3
BIN := .venv/bin

demo: .venv/runtime
	$(BIN)/omote demo --output demo

test: .venv/tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist worksteal --cov --cov-report=term:skip-covered --cov-fail-under=90

# Known vulnerabilities of what is installed; says so and passes where they cannot be looked up.
audit: .venv/runtime
	$(BIN)/python tools/audit.py

# What Omote consists of, for a release (CycloneDX).
sbom: .venv/tests
	$(BIN)/python tools/sbom.py > sbom.cdx.json

.venv/bin/python:
	$(PYTHON) -m venv .venv

# The stamps are renewed when pyproject.toml changes.
.venv/runtime: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/tests: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,train]'
	touch $@

.PHONY: audit demo sbom test
