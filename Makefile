# The commands of this project; `make help` lists them.
PYTHON ?= python3
VENV := .venv
DONE := $(VENV)/.installed
SHELL := /bin/bash
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# Without hashes, and only torch and torchvision pinned: each package index has its own builds, with or without CUDA.
UNHASHED := torch torchvision triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc \
	nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse \
	nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx

# On a GPU, two stages at a time, or four if there are eight cores: one computes while others start, launch kernels or
# write. They share its memory. On an H200 with 16 cores, a full run took 147 s with four and 268 s with two.
GPU := $(shell nvidia-smi --list-gpus 2>/dev/null | head -1)$(filter Darwin-arm64,$(shell uname -s)-$(shell uname -m))
CORES := $(shell getconf _NPROCESSORS_ONLN)
JOBS ?= $(if $(filter-out cpu,$(or $(FASHION_DEVICE),$(if $(GPU),gpu,cpu))),$(shell test $(CORES) -ge 8 && echo 4 || echo 2))

.PHONY: help init quick repro experiments seeds relock test pipelines nightly coverage fuzz faults lint validate changes \
	site audit sbom bench requirements abreast dvc-suite newest-dvc

.DEFAULT_GOAL := help

##@ Start here

# With few cores, threads that spin while they wait slow down those that work.
quick: export OMP_WAIT_POLICY ?= PASSIVE
quick: $(DONE) ## Run everything on few images in minutes, in quick/; the results in git stay as they are
	@python -m tools.quick
	@cd quick && abreast rehearse $(if $(JOBS),--jobs $(JOBS))
	@python -m tools.result quick

repro: $(DONE) ## Run all stages that are not up to date (JOBS=n: n at a time; SCHEDULER=tcp://...: on a cluster)
	@python -m tools.check >/dev/null
	@abreast repro --verify --durations benchmarks/durations.json $(if $(JOBS),--jobs $(JOBS)) \
		$(if $(SCHEDULER),--scheduler $(SCHEDULER))
	@python -m tools.result

# NESTED=1: classes in nested folders; SHAPE="28 56": height and width of the images in tables.
init: $(DONE) ## Write params.yaml for your own images in data/raw (docs/your_own_data.md)
	@python -m fashion init $(if $(SOURCE),--source $(SOURCE)) $(if $(NESTED),--nested) $(if $(SHAPE),--shape $(SHAPE))

help: ## List these commands
	@awk -F ':.*## ' '/^##@ / {print (n++ ? "\n" : "") substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' \
		$(firstword $(MAKEFILE_LIST))

##@ Compare and check results

# Without the columns of files that stages read, and of test accuracies: choose by validation.
experiments: $(DONE) ## List the experiments of `dvc exp run`: what was changed, and the validation accuracies
	@dvc exp show --only-changed --no-pager --drop '.*/[^:]*$$|.*:test|.*:macro'

changes: $(DONE) ## Print the changes of settings and metrics since a commit, in Markdown (BASE=commit)
	@echo "## Settings"; echo; dvc params diff --md $(or $(BASE),HEAD)
	@echo; echo "## Metrics"; echo; dvc metrics diff --md $(or $(BASE),HEAD)

seeds: $(DONE) ## Train systems with more seeds, and compare (N=3: three of each; SYSTEMS="base final": only these)
	@python -m tools.seeds "$(N)" "$(SYSTEMS)"
	@abreast repro dvc.yaml seeds/dvc.yaml --verify --durations logs/seeds_durations.json $(if $(JOBS),--jobs $(JOBS)) \
		$(if $(SCHEDULER),--scheduler $(SCHEDULER))
	@test ! -f seeds/seeds.json || cp seeds/seeds.json metrics/seeds.json
	@abreast repro $(if $(JOBS),--jobs $(JOBS))

validate: $(DONE) ## Check that the results in git are those of the code and settings beside them
	@python -m tools.validate

site: $(DONE) ## Write report and docs as a website: public/
	@python -m tools.site

relock: $(DONE) ## After a refactoring: check that no result changes, renew code checksums in dvc.lock (BASE=commit)
	@python -m tools.relock $(if $(BASE),--base $(BASE)) $(if $(JOBS),--jobs $(JOBS))

##@ Change the code

lint: $(DONE) ## Check style, format and types
	@ruff check .
	@ruff format --check .
	@mypy

test: $(DONE) ## Run the tests, except those of whole pipelines
	@pytest -m 'not pipeline'

pipelines: $(DONE) ## Run the tests of whole pipelines
	@pytest -m pipeline

coverage: $(DONE) ## Run all tests of the project and list the lines that none of them runs
	@COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml COVERAGE_FILE=$(CURDIR)/.coverage coverage run -m pytest
	@coverage combine --quiet && coverage report

nightly: $(DONE) ## Run the long tests: several machines, DVC's queue, 20 random kills, 19,000 damaged files
	@pytest -m nightly
	@cd packages/abreast && pytest -m nightly
	@$(MAKE) --no-print-directory faults KILLS=20
	@$(MAKE) --no-print-directory fuzz INPUTS=1000

fuzz: $(DONE) ## Test all readers with 114,000 damaged files, in 12 to 30 minutes (INPUTS=n: of each kind)
	@FUZZ=$(or $(INPUTS),6000) pytest --numprocesses=0 --capture=no tests/fuzz

faults: $(DONE) ## Kill a run of the sample at 100 random moments; it must end with the same bytes (KILLS=n, SEED=n)
	@KILLS=$(or $(KILLS),100) SEED=$(or $(SEED),0) pytest --numprocesses=0 --capture=no tests/faults/test_killing.py

bench: $(DONE) ## Compare the training engine with a plain loop and with other libraries, on every system
	@$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --requirement benchmarks/requirements.txt \
		|| echo "left out, as they cannot be installed: skorch, lightning"
	@python -m benchmarks.engine

##@ Packages and the runner

requirements: $(DONE) ## Compile requirements.txt from both pyproject.toml (UPGRADE=--upgrade: the newest versions)
	@python -m pip install --disable-pip-version-check --quiet uv==0.13.9
	@python -m uv pip compile pyproject.toml packages/abreast/pyproject.toml --extra dev --extra test --extra dvc-suite \
		--universal --python-version 3.11 --generate-hashes --quiet $(UPGRADE) \
		--constraint requirements-torch.txt $(addprefix --no-emit-package ,$(UNHASHED)) \
		--custom-compile-command 'make requirements' --output-file requirements.txt

audit: $(DONE) ## Look up known vulnerabilities of the pinned packages
	@python -m tools.audit

sbom: $(DONE) ## List the installed packages, as CycloneDX: sbom.json
	@cyclonedx-py environment $(VENV)/bin/python --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json
	@echo "wrote sbom.json"

abreast: ## Run the tests of `abreast` in its own environment, without torch
	$(call install-abreast,--constraint $(ALONE)/constraints.txt)
	@cd packages/abreast && $(ALONE)/bin/python -m pytest

dvc-suite: $(DONE) ## Run DVC's own tests of `dvc repro` against `abreast repro`, in a few minutes
	@python packages/abreast/tests/dvc_suite/run.py

newest-dvc: ## Run the tests of `abreast` and DVC's own with the newest packages
	$(call install-abreast)
	@cd packages/abreast && $(ALONE)/bin/python -m pytest -m ''
	@$(ALONE)/bin/python packages/abreast/tests/dvc_suite/run.py

# Not --editable: the tests use the built package. Constraints must have no hashes.
ALONE := $(CURDIR)/.venv-abreast
define install-abreast
	@$(PYTHON) -m venv --clear $(ALONE)
	@sed -E '/^ *--hash=/d; s/ *\\$$//' requirements.txt > $(ALONE)/constraints.txt
	@rm -rf packages/abreast/build
	@$(ALONE)/bin/python -m pip install --disable-pip-version-check --progress-bar off --quiet $(1) \
		'./packages/abreast[dvc-suite,test]'
endef

# --no-deps: timm needs torch, which is pinned without a hash. requirements.txt has all that the packages need.
$(DONE): requirements.txt requirements-torch.txt pyproject.toml packages/abreast/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: $$($(PYTHON) --version) is too old; name another, 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 2; }
	@test ! -L $(VENV) \
		|| { echo "error: $(VENV): a link, where Python makes no virtual environment; remove it: rm $(VENV)" >&2; exit 2; }
	@echo "Setting up $(VENV) (once, a few minutes): torch, DVC and all that requirements.txt pins"
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "error: no virtual environment; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@$(VENV)/bin/python -m pip install --disable-pip-version-check --progress-bar off --quiet --no-deps --require-hashes \
		--requirement requirements.txt
	@$(VENV)/bin/python -m pip install --disable-pip-version-check --progress-bar off --quiet --requirement requirements-torch.txt
	@$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation \
		--editable . --editable packages/abreast
	@touch $@
	@echo "Set up. For dvc and python by hand: source $(VENV)/bin/activate"
