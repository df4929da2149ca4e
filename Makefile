# Every target starts from nothing but Python 3.11: it sets up what it needs first.
.DEFAULT_GOAL := help
BIN := .venv/bin
PROFILE ?= demo
OVERLAY ?= kind

.PHONY: help setup demo test images test-images lint format schemas lock verify-cluster bench bench-models bench-serving bench-rollouts bench-distributed clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Create .venv with every dependency of the lock (1 to 5 minutes the first time)
	@scripts/setup

demo: setup ## From nothing to three trained models behind a local API (8 to 15 minutes the first time)
	@$(BIN)/mediareview up --profile $(PROFILE)

test: setup ## Run every test: unit, integration with real servers, end to end (about 20 minutes)
	@scripts/prometheus
	@$(BIN)/pytest -n 2 tests/unit
	@$(BIN)/pytest -n 2 --dist loadfile tests/integration
	@$(BIN)/pytest tests/e2e

lint: setup ## Check style, types, import directions and generated schemas
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m mediareview.contracts.schema_docs --check

format: setup ## Format the code and sort imports
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

schemas: setup ## Write docs/schemas from the contracts
	@$(BIN)/python -m mediareview.contracts.schema_docs

lock: setup ## Resolve pyproject.toml again into requirements.lock, keeping what is pinned
	@scripts/lock

images: setup ## Build the images of all roles with podman (5 to 10 minutes the first time)
	@scripts/container-engine
	@$(BIN)/python scripts/images

test-images: images ## Run the images for real: restricted, read-only, answering
	@$(BIN)/pytest tests/images

verify-cluster: setup ## Try an overlay on a cluster, changing nothing (KUBECONFIG=... OVERLAY=kind|staging|production)
	@KUBECONFIG="$(KUBECONFIG)" $(BIN)/python scripts/verify-cluster $(OVERLAY)

bench: bench-models bench-serving bench-rollouts bench-distributed ## Run every benchmark

bench-models: setup ## Model quality against baselines (PROFILE=full for the best models)
	@$(BIN)/python -m benchmarks.models --profile $(PROFILE)

bench-serving: setup ## Latency, throughput and memory of the served models
	@$(BIN)/python -m benchmarks.serving

bench-rollouts: setup ## Rollouts: wrong decisions, time to decide, cost for a request, real traffic and kills (10 minutes)
	@$(BIN)/python -m benchmarks.rollouts

bench-distributed: setup ## Fine-tuning in two processes against one, on this machine
	@$(BIN)/python -m benchmarks.distributed --profile $(PROFILE)

clean: ## Remove .venv and generated files, but not .mediareview (your data and models)
	rm -rf .venv build dist *.egg-info benchmarks/out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
