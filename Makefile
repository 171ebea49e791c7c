# make help lists the targets. Nothing needs to be installed before but Python 3.11 and make.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
STUDIO_PORT ?= 2024
CHECKED := $(wildcard api graphs tools indexers model_host samples benchmarks tests)

.PHONY: help setup setup-core test unit lint format demo bench eval studio docs lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Create .venv with all that a checkout needs (a second run does nothing)
	@sh requirements/setup.sh all

setup-core: ## Create .venv to use Sutradhar, without the tools to develop it
	@sh requirements/setup.sh run

demo: setup ## From recordings to cited, spoken answers: see demo/out/
	@$(BIN)/python -m samples.demo

test: setup lint ## Lint, types, import contracts and all tests
	@$(BIN)/python -m pytest

unit: setup ## The fast tests alone (no weights)
	@$(BIN)/python -m pytest tests/unit

lint: setup ## ruff, import contracts, mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --cache-dir .import_linter_cache
	@$(BIN)/mypy $(CHECKED)

format: setup ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup ## Measure: host overhead, speed, memory, latency
	@$(BIN)/python -m benchmarks.run

eval: setup ## Score answers, citations and abstention on a generated set
	@$(BIN)/python -m benchmarks.evaluation

studio: setup ## The graphs in LangGraph Studio's local server
	@LANGGRAPH_CLI_NO_ANALYTICS=1 $(BIN)/langgraph dev --no-browser --no-reload --port $(STUDIO_PORT)

docs: setup ## Write docs/cli.md and the command line's help text
	@$(BIN)/python -m api.cli.reference

lock: setup ## Resolve the requirement files again
	@sh requirements/lock.sh

clean: ## Remove what was built here (weights and corpora stay)
	rm -rf .venv .import_linter_cache .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  build dist demo/out
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
