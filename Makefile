# make quickstart: set up and run the main job;  make test: set up and run the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NLPKIT := $(BIN)/nlpkit
READY := $(VENV)/.ready
# GPU=1 keeps the torch that pip finds for the machine instead of the pinned one
CONSTRAINTS := $(if $(GPU),$(VENV)/constraints-gpu.txt,constraints.txt)
DATA ?= sample:feedback
RECIPES := $(notdir $(basename $(wildcard recipes/*.yaml)))

.PHONY: help install quickstart test test-lowest lint format clean recipes $(addprefix recipe-,$(RECIPES))

help:
	@echo "make quickstart      set up .venv, fine-tune on the sample, predict"
	@echo "make test            set up .venv, run the tests"
	@echo "make lint            ruff and mypy"
	@echo "make test-lowest     the tests on the oldest versions that pyproject.toml allows"
	@echo "make recipe-NAME     run recipes/NAME.yaml; NAME is one of: $(RECIPES)"
	@echo "make clean           delete the environment, caches and runs/quickstart"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/constraints-gpu.txt: constraints.txt | $(VENV)/bin/python
	grep -v '^torch==' constraints.txt > $@

$(READY): pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable '.[quickstart,dev,xlsx]'
	@touch $@

install: $(READY)

quickstart: $(READY)
	$(NLPKIT) finetune-cls --config recipes/quickstart.yaml --output runs/quickstart --overwrite
	$(NLPKIT) predict runs/quickstart "Lovely little cafe, we will be back." "The train was late again and nobody said why."

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

# The oldest pure-Python packages that pyproject.toml allows, beside the same torch.
test-lowest: $(READY)
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-lowest.txt --editable '.[quickstart,dev,xlsx]'
	.venv-lowest/bin/python -m pytest

recipes: $(addprefix recipe-,$(RECIPES))

$(addprefix recipe-,$(RECIPES)): recipe-%: $(READY)
	$(NLPKIT) $$(sed -n 's/^command: *//p' recipes/$*.yaml) --config recipes/$*.yaml --output runs/$*

clean:
	rm -rf $(VENV) .venv-lowest runs/quickstart .pytest_cache .ruff_cache .mypy_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
