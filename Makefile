# Everything a newcomer needs: `make demo` shows it, `make test` proves it.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Of `make bench`: mini, or vit-b with random weights.
PRESET ?= mini
# Which tests: all but the long ones.
TESTS ?= -m "not full"
SOURCES := python_backend export client tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-unit test-served test-full check configs format perf model-analyzer bench clean

help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

demo: .venv/.demo  ## Segment and name everything in two pictures on a real Triton server.
	$(BIN)/python -m ssa_client.demo --out output/demo

serve: .venv/.demo  ## Start the embedded Triton server on loopback.
	$(BIN)/ssa serve

test: .venv/.dev  ## Run the tests (minutes), half of them beside the other half.
	@echo "Testing in two halves side by side; each prints when it ends, after some minutes ..."
	@$(MAKE) --no-print-directory --jobs 2 --keep-going --output-sync=target test-unit test-served

test-unit: .venv/.dev
	$(BIN)/python -m pytest $(TESTS) tests/unit

test-served: .venv/.dev
	$(BIN)/python -m pytest $(TESTS) tests/integration tests/parity

test-full: .venv/.dev .venv-formats/.installed  ## Run every test, the long ones too.
	@$(MAKE) --no-print-directory --keep-going TESTS= test-unit test-served

check: .venv/.dev  ## Lint, format, types, and drift of the generated configs.
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/python -m ssa_export.model_config model_repository --check

configs: .venv/.dev  ## Write model_repository's configs anew from the specs.
	$(BIN)/python -m ssa_export.model_config model_repository

format: .venv/.dev  ## Format and mend what can be mended.
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

perf: .venv/.demo .venv-perf/.installed  ## Measure the ensemble with perf_analyzer and a real JPEG.
	$(BIN)/python -m benchmarks.perf_analyzer --environment .venv-perf

model-analyzer: .venv/.dev .venv-perf/.model-analyzer  ## Try instance counts with model_analyzer.
	$(BIN)/python -m benchmarks.model_analyzer --environment .venv-perf

bench: .venv/.dev .venv-perf/.installed  ## Measure all against plain references: one report.
	$(BIN)/python -m benchmarks.report --preset $(PRESET)

clean:  ## Remove what the other targets made.
	rm -rf .venv .venv-perf .venv-formats build output

# Marker files remember what is installed, so that a second run starts at once.
.venv/.base:
	@echo "Setting up .venv ..."
	$(PYTHON) -m venv .venv
	$(PIP) install --upgrade pip
	@touch $@

.venv/.demo: .venv/.base pyproject.toml constraints.txt
	@echo "Installing the client and the embedded server (about 1 GB on disk; no torch) ..."
	$(PIP) install --constraint constraints.txt --editable ".[server,draw,report]"
	@touch $@

.venv/.dev: .venv/.base pyproject.toml constraints.txt
	@echo "Installing what development needs, torch and transformers among it ..."
	$(PIP) install --constraint constraints.txt --editable ".[dev]"
	@touch $@ .venv/.demo

# perf_analyzer ships in an older client wheel and wants an environment of its own.
.venv-perf/.installed:
	@echo "Setting up perf_analyzer ..."
	$(PYTHON) -m venv .venv-perf
	.venv-perf/bin/python -m pip --disable-pip-version-check --quiet install \
		"tritonclient==2.50.0" nvidia-cuda-runtime-cu12
	@touch $@

.venv-perf/.model-analyzer: .venv-perf/.installed
	.venv-perf/bin/python -m pip --disable-pip-version-check --quiet install triton-model-analyzer
	@touch $@

# Tools that read the annotation formats back want another numpy and another OpenCV. panopticapi
# itself is on GitHub only; this wheel has its code, and asks for an old numpy that it can do without.
.venv-formats/.installed: tests/format-tools.txt
	@echo "Setting up the formats' own tools ..."
	$(PYTHON) -m venv .venv-formats
	.venv-formats/bin/python -m pip --disable-pip-version-check --quiet install \
		--requirement tests/format-tools.txt
	.venv-formats/bin/python -m pip --disable-pip-version-check --quiet install --no-deps \
		"panopticapi-lite==0.2.0"
	@touch $@
