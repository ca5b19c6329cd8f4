# make quickstart: set up and run the main job;  make test: set up and run the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NLPKIT := $(BIN)/nlpkit
READY := $(VENV)/.ready
# GPU=1 keeps the torch that pip finds for the machine instead of the pinned one, and adds what reads NVIDIA's driver
CONSTRAINTS := $(if $(GPU),$(VENV)/constraints-gpu.txt,constraints.txt)
# succeeds where there is a torch without CUDA and ROCm
FOR_CPU := import sys, torch.version as built; sys.exit(bool(built.cuda or built.hip))
DATA ?= sample:feedback
RECIPES := $(notdir $(basename $(wildcard recipes/*.yaml)))

.PHONY: help install quickstart encoder compress test test-fast test-lowest coverage hooks fuzz fuzz-folders kills faults audit gpu-check lint format clean recipes docs reference test-wheel test-image test-replicas FORCE $(addprefix recipe-,$(RECIPES))

help:
	@echo "make quickstart      set up .venv, fine-tune on the sample, predict"
	@echo "make encoder         CORPUS=FILE: tokenizer, then a mini encoder, then a classifier from it, in $(ENCODER)/"
	@echo "make compress        a classifier, distilled, pruned and quantized, in $(COMPRESS)/; one table over all"
	@echo "make test            set up .venv, run the tests, in an order drawn anew; ORDER=SEED repeats one"
	@echo "make test-fast       the tests but those marked slow, in a minute or so"
	@echo "make coverage        make test, and which branches of each module no test takes"
	@echo "make lint            ruff and mypy"
	@echo "make docs            the site of docs/ in build/site, whose links are checked"
	@echo "make reference       the tables of docs/reference/ that follow from the code, and the stub of the Python API"
	@echo "make hooks           git lints before each commit"
	@echo "make fuzz            N=2000 SEED=1: spoilt inputs; ONLY=7 repeats the one of that number"
	@echo "make fuzz-folders    N=2000 SEED=1: each field of each record of a folder spoilt, before each command that opens it"
	@echo "make kills           N=200 SEED=1: commands killed (SIGNAL=INT: interrupted) at random moments, run again; ONLY=index"
	@echo "make faults          STEP=4096: a full disk at every write of every command (as root); ONLY=index"
	@echo "make audit           known weaknesses of the pinned packages, or what can be told of them"
	@echo "make gpu-check       first figures on a GPU, in under ten minutes; GPU_DATA=FOLDER JSON=FILE ONLY=STEP,..."
	@echo "make test-lowest     the tests on the oldest versions that pyproject.toml allows"
	@echo "make test-wheel      sdist and wheel in dist/; the wheel installed elsewhere runs the quickstart"
	@echo "make test-image      the commands of a service's Dockerfile in an environment of their own, which then answers"
	@echo "make test-replicas   two replicas behind nginx, each ended and begun anew under load"
	@echo "make recipe-NAME     run recipes/NAME.yaml; NAME is one of: $(RECIPES)"
	@echo "make clean           delete the environment, caches and runs/quickstart"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/constraints-gpu.txt: constraints.txt | $(VENV)/bin/python
	grep -v '^torch==' constraints.txt > $@

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# a torch for CPUs that is there already satisfies pip, which would keep it
define replace-torch
@if $(BIN)/python -c '$(FOR_CPU)' 2>/dev/null; then \
	echo "torch in $(VENV) is built for CPUs: replaced by the one that pip finds"; \
	$(PIP) --constraint $(CONSTRAINTS) --force-reinstall --no-deps torch; fi
endef

$(READY): pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(if $(GPU),$(replace-torch))
	$(PIP) --constraint $(CONSTRAINTS) --editable '.[quickstart,dev,embed,search,generate,explain,vectors,tune,serve,loadtest,ray,xlsx,onnx]' $(if $(GPU),nvidia-ml-py)
	@touch $@

install: $(READY)

quickstart: $(READY)
	$(NLPKIT) finetune-cls --config recipes/quickstart.yaml --output runs/quickstart --overwrite
	$(NLPKIT) predict runs/quickstart "Lovely little cafe, we will be back." "The train was late again and nobody said why."

# From text to a classifier: make encoder CORPUS='a.txt b.txt.gz' [CLS_DATA=FOLDER|NAME] [ENCODER_MINUTES=20] [VOCABULARY=10000]
# A step is repeated when its inputs are newer than its run, or its options are others; an interrupted one goes on.
ENCODER := runs/encoder
CLS_DATA ?= glue:sst2
ENCODER_MINUTES ?= 20
VOCABULARY ?= 10000
# after a million tokens a mini BERT stood at perplexity 650 here, a ModernBERT at 270
PRETRAIN_FLAGS ?= --arch modernbert --batch-size 8 --learning-rate 1e-3
TEXTS := $(wildcard $(CORPUS))
MISSING := $(foreach file,$(CORPUS),$(if $(wildcard $(file)),,$(file)))

ifneq ($(filter encoder,$(MAKECMDGOALS)),)
$(if $(CORPUS),,$(error give the text to learn from: make encoder CORPUS=FILE))
$(if $(MISSING),$(error CORPUS: there is no $(strip $(MISSING))))
endif

# 40 epochs, as BERT, unless the minutes are over before
tokenizer-options = $(addprefix --data ,$(TEXTS)) --style bert --vocab-size $(VOCABULARY)
model-options = $(addprefix --data ,$(TEXTS)) --tokenizer $(ENCODER)/tokenizer --size mini --epochs 40 --max-minutes $(ENCODER_MINUTES) $(PRETRAIN_FLAGS)
classifier-options = --data $(CLS_DATA) --model $(ENCODER)/model $(CLS_FLAGS)
# FORCE for a run that is not complete: its record is there from its start
unfinished = $(if $(shell grep -s '^  "status": "complete"' $(1)/nlpkit.json),,FORCE)
# nothing but FORCE is newer: the step was interrupted
overwrite-or-resume = $(if $(filter-out FORCE,$?),--overwrite,--resume)

encoder: $(ENCODER)/classifier/nlpkit.json
	@echo "$(ENCODER)/classifier is up to date; try: nlpkit predict $(ENCODER)/classifier TEXT"

$(ENCODER)/tokenizer/nlpkit.json: $(TEXTS) $(ENCODER)/tokenizer.options $(call unfinished,$(ENCODER)/tokenizer) | $(READY)
	$(NLPKIT) train-tokenizer $(tokenizer-options) --output $(@D) --overwrite

$(ENCODER)/model/nlpkit.json: $(TEXTS) $(ENCODER)/tokenizer/nlpkit.json $(ENCODER)/model.options $(call unfinished,$(ENCODER)/model) | $(READY)
	$(NLPKIT) pretrain-mlm $(model-options) --output $(@D) $(overwrite-or-resume)

$(ENCODER)/classifier/nlpkit.json: $(wildcard $(CLS_DATA) $(CLS_DATA)/*) $(ENCODER)/model/nlpkit.json $(ENCODER)/classifier.options $(call unfinished,$(ENCODER)/classifier) | $(READY)
	$(NLPKIT) finetune-cls $(classifier-options) --output $(@D) $(overwrite-or-resume)

# From a classifier to a small one: make compress [CLS_DATA=FOLDER|NAME] [TEACHER=RUN]
# Repeated and resumed as above. TEACHER, a run of yours, takes the place of the first step.
COMPRESS := runs/compress
TEACHER := $(COMPRESS)/teacher
TEACHER_FLAGS ?= --model minilm --epochs 3 --learning-rate 1e-4
DISTILL_FLAGS ?= --student-layers 3 --alpha 0.9 --epochs 6 --learning-rate 2e-4
PRUNE_FLAGS ?= --what vocabulary,ffn --sparsity 0.5 --distill --epochs 3 --learning-rate 2e-4
QUANTIZE_FLAGS ?=

teacher-options = --data $(CLS_DATA) $(TEACHER_FLAGS)
student-options = $(TEACHER) $(DISTILL_FLAGS)
pruned-options = $(COMPRESS)/student $(PRUNE_FLAGS)
int8-options = $(COMPRESS)/pruned $(QUANTIZE_FLAGS)

compress: $(COMPRESS)/int8/nlpkit.json
	$(NLPKIT) benchmark $(TEACHER) $(addprefix $(COMPRESS)/,student pruned int8) --output $(COMPRESS)/benchmark --overwrite

$(COMPRESS)/teacher/nlpkit.json: $(wildcard $(CLS_DATA) $(CLS_DATA)/*) $(COMPRESS)/teacher.options $(call unfinished,$(COMPRESS)/teacher) | $(READY)
	$(NLPKIT) finetune-cls $(teacher-options) --output $(@D) $(overwrite-or-resume)

$(COMPRESS)/student/nlpkit.json: $(TEACHER)/nlpkit.json $(COMPRESS)/student.options $(call unfinished,$(COMPRESS)/student) | $(READY)
	$(NLPKIT) distill $(student-options) --output $(@D) $(overwrite-or-resume)

$(COMPRESS)/pruned/nlpkit.json: $(COMPRESS)/student/nlpkit.json $(COMPRESS)/pruned.options $(call unfinished,$(COMPRESS)/pruned) | $(READY)
	$(NLPKIT) prune $(pruned-options) --output $(@D) $(overwrite-or-resume)

$(COMPRESS)/int8/nlpkit.json: $(COMPRESS)/pruned/nlpkit.json $(COMPRESS)/int8.options $(call unfinished,$(COMPRESS)/int8) | $(READY)
	$(NLPKIT) quantize $(int8-options) --output $(@D) --overwrite

# the options of a step's last run, rewritten only when they change
define keep-options
@mkdir -p $(@D)
@echo '$($*-options)' | cmp -s - $@ || echo '$($*-options)' > $@
endef

$(ENCODER)/%.options: FORCE
	$(keep-options)

$(COMPRESS)/%.options: FORCE
	$(keep-options)

# Ctrl-C has make delete what it was making; without its record a run cannot be resumed
.PRECIOUS: $(foreach run,tokenizer model classifier,$(ENCODER)/$(run)/nlpkit.json) $(foreach run,teacher student pruned,$(COMPRESS)/$(run)/nlpkit.json)

# a worker a core; tests of a file stay together, as they share what its fixtures make; tests/conftest.py says which files
# come first, as the number of tests does not tell how long one takes
IN_PARALLEL = -n $$($(PYTHON) -c 'import os; print(min(os.cpu_count(), 8))') --dist loadfile --no-loadscope-reorder
# files, and tests within a file, come in an order drawn anew, whose seed is printed first
PYTEST_FLAGS = $(IN_PARALLEL) --durations=25 $(if $(ORDER),--randomly-seed=$(ORDER))

test: $(READY)
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

test-fast: $(READY)
	$(BIN)/python -m pytest $(PYTEST_FLAGS) -m 'not slow'

coverage: $(READY)
	$(BIN)/python -m pytest $(PYTEST_FLAGS) --cov

# a page that is not in docs/index.md, and a link that leads nowhere, fail (but not with --quiet, which counts no warnings)
docs: $(READY)
	$(PIP) --constraint $(CONSTRAINTS) --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "open build/site/index.html"

reference: $(READY)
	$(BIN)/python docs/tools/reference.py
	$(BIN)/python -m nlpkit.api.stub

hooks: $(READY)
	$(PIP) --constraint $(CONSTRAINTS) pre-commit
	$(BIN)/pre-commit install

# each input is used, or refused with one message; what fails is kept in fuzz-failures/
N ?= 2000
SEED ?= 1
kills: N = 200
SIGNAL ?= KILL
STEP ?= 4096
fuzz: $(READY)
	$(BIN)/python tests/fuzz/fuzz.py --n $(N) --seed $(SEED) $(if $(ONLY),--only $(ONLY))

fuzz-folders: $(READY)
	$(BIN)/python tests/fuzz/folders.py --n $(N) --seed $(SEED)

kills: $(READY)
	$(BIN)/python tests/faults/kills.py --n $(N) --seed $(SEED) --signal $(SIGNAL) $(addprefix --only ,$(ONLY))

faults: $(READY)
	$(BIN)/python tests/faults/disk.py --step $(STEP) $(addprefix --only ,$(ONLY))

# pip-audit in an environment of its own, where the index has it
audit: $(READY)
	$(PYTHON) -m venv .venv-audit
	-.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/python tests/audit/audit.py constraints.txt .venv-audit/bin/pip-audit

# install with GPU=1; without a GPU all steps run at tiny sizes
JSON ?= gpu-check.json
gpu-check: $(READY)
	$(BIN)/python benchmarks/gpu_check.py --json $(JSON) $(if $(GPU_DATA),--data $(GPU_DATA)) $(if $(ONLY),--only $(ONLY))

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

# The oldest pure-Python packages that pyproject.toml allows, beside the same torch; `onnx` asks for a newer transformers.
test-lowest: $(READY)
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-lowest.txt --editable '.[quickstart,dev,search,generate,explain,vectors,tune,serve,xlsx]'
	.venv-lowest/bin/python -m pytest $(PYTEST_FLAGS)

# The wheel is made of the sdist, and installed outside of the checkout into an environment that has nothing else.
WHEEL := .venv-wheel/run
INSTALLED := ../bin/nlpkit
test-wheel: constraints.txt
	rm -rf .venv-wheel dist build/lib
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install --quiet --disable-pip-version-check build
	.venv-wheel/bin/python -m build --outdir dist .
	tar --list --file dist/nlpkit-*.tar.gz | grep -q /tests/conftest.py
	tar --list --file dist/nlpkit-*.tar.gz | grep -q /docs/index.md
	.venv-wheel/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$$(echo dist/nlpkit-*.whl)[quickstart]"
	mkdir $(WHEEL)
	cd $(WHEEL) && $(INSTALLED) recipes show quickstart
	cd $(WHEEL) && $(INSTALLED) finetune-cls --config quickstart --output quickstart
	cd $(WHEEL) && $(INSTALLED) predict quickstart "Lovely little cafe, we will be back."

# What `nlpkit serve --dockerfile` writes: the commands of its Dockerfile in an environment of their own, and two replicas
# behind nginx, where there is one.
IMAGE := build/image
$(IMAGE)/int8/nlpkit.json: | $(READY)
	rm -rf $(IMAGE)
	$(NLPKIT) finetune-cls --config recipes/quickstart.yaml --max-steps 4 --output $(IMAGE)/run
	$(NLPKIT) quantize $(IMAGE)/run --output $(IMAGE)/int8

test-image: $(IMAGE)/int8/nlpkit.json
	$(BIN)/python tests/serving/image.py $(NLPKIT) $(IMAGE)/int8

test-replicas: $(IMAGE)/int8/nlpkit.json
	$(BIN)/python tests/serving/replicas.py $(NLPKIT) $(IMAGE)/int8

recipes: $(addprefix recipe-,$(RECIPES))

$(addprefix recipe-,$(RECIPES)): recipe-%: $(READY)
	$(NLPKIT) $$(sed -n 's/^command: *//p' recipes/$*.yaml) --config recipes/$*.yaml --output runs/$*$$(sed -n 's/^command: *predict$$/.jsonl/p' recipes/$*.yaml)

clean:
	rm -rf $(VENV) .venv-lowest .venv-audit .venv-wheel dist build runs/quickstart .pytest_cache .ruff_cache .mypy_cache .coverage .coverage.* *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
