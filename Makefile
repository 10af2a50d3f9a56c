# Two commands do everything on a fresh machine: `make demo` runs the main job, `make test` passes the tests.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
WORKERS ?= 2
# of the benchmarks: small, medium or full
SIZE ?= small
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
# OpenMP threads that spin while waiting slow down everything else on a small machine
export OMP_WAIT_POLICY := passive
# compiled modules are kept: compiling MLflow, pandas and the rest anew takes each process seconds
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test mutants stress desktop pictures benchmarks check format lock catalogue reference card clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(STAMP): requirements.txt pyproject.toml
	@bash pipelines/setup.sh $(VENV)
	@touch $@

setup: $(STAMP)  ## make .venv with all pinned packages and this package in it

demo: $(STAMP)  ## the whole way on a synthetic manufacturer, into demo/
	$(BIN)/crm-ml demo demo

test: $(STAMP)  ## the test suite (11 to 19 minutes on two cores)
	$(BIN)/python -m pytest -m "not stress and not desktop" -n $(WORKERS) --dist worksteal -q

mutants: $(STAMP)  ## every small change of kernels and windows must turn a test red
	$(BIN)/python tests/mutations/run_mutants.py --jobs $(WORKERS)

stress: $(STAMP)  ## the long loops: kills, many examples, simulations, planted mistakes, a sample of mutants
	$(BIN)/python -m pytest -m "stress and not desktop" -n $(WORKERS) --dist worksteal -q --durations=12

desktop: $(STAMP)  ## lists opened for real; needs LibreOffice Calc and Chromium
	$(BIN)/python -m pytest -m desktop -n $(WORKERS) --dist worksteal -q

pictures: $(STAMP)  ## draw docs/list.png again from the newest list of demo/; needs Chromium
	$(BIN)/python docs/pictures/list_picture.py $$(ls -d demo/published/*/lists | tail -1)

benchmarks: $(STAMP)  ## every figure with its peers, as a table, a page and raw results in benchmarks/out; SIZE=full takes hours
	@mkdir -p benchmarks/out
	$(BIN)/python benchmarks/page.py --size $(SIZE) --out benchmarks/out/$(SIZE).html

check: $(STAMP)  ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(STAMP)  ## resolve again and pin with hashes, without addresses
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --output-file requirements.txt --upgrade

catalogue: $(STAMP)  ## write docs/feature-catalogue.md again
	$(BIN)/python -c "from pathlib import Path; from crm_ml.features import catalogue_markdown; \
	  Path('docs/feature-catalogue.md').write_text(catalogue_markdown(), encoding='utf-8')"

reference: $(STAMP)  ## write docs/crm-yaml.md again
	$(BIN)/python -c "from pathlib import Path; from crm_ml.jobs.reference import settings_markdown; \
	  Path('docs/crm-yaml.md').write_text(settings_markdown(), encoding='utf-8')"

card: $(STAMP)  ## train on the synthetic manufacturer and write models/churn.md again
	$(BIN)/python -c "import tempfile, crm_ml as crm; from crm_ml.jobs.demo import LAST_DAY, make_workspace; \
	  folder = tempfile.mkdtemp() + '/firm'; make_workspace(folder); \
	  crm.train(folder, as_of=LAST_DAY).write_model_card('models/churn.md')"

clean:  ## remove the environment and the demo
	rm -rf $(VENV) demo
