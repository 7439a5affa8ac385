# The two commands of README.md: `make demo` and `make test`. `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv

# The torch to install. The default index serves a CUDA build of several gigabytes to Linux;
# scripts/install_torch.py stops before downloading that unless CUDA=yes says it is wanted. For
# the CPU build name PyTorch's CPU index (its address is on pytorch.org under "Get started"):
#   make demo PIP_ARGS="--extra-index-url ADDRESS" TORCH=torch==2.13.0+cpu
TORCH ?= torch==2.13.0
CUDA ?= no

# More options for every pip install, for example an index of your own.
PIP_ARGS ?=

# Test processes: one a core, at most four, since each loads torch; none with PARALLEL= . More
# options for pytest go into TEST_ARGS, for example TEST_ARGS="tests/io -x".
PARALLEL ?= --numprocesses logical --maxprocesses 4 --dist loadscope --no-loadscope-reorder
TEST_ARGS ?=

PIP = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS)
RUN = $(VENV)/bin/

.PHONY: help demo test test-all lint docs benchmark clean

help:
	@echo "make demo       install, fetch a model, segment a real image into demo/"
	@echo "make test       install and run the tests"
	@echo "make test-all   the same with all random examples and steps, and the slow tests"
	@echo "make lint       ruff and mypy"
	@echo "make docs       build the documentation into site/"
	@echo "make benchmark  compare with the published code (DATA=folder of images with labels)"
	@echo "make clean      remove what the other commands made"

# Each stamp is an environment with one more group of dependencies.
$(VENV)/.torch: scripts/install_torch.py
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade "pip>=25.1"
	$(RUN)python scripts/install_torch.py --spec "$(TORCH)" --cuda "$(CUDA)" -- $(PIP_ARGS)
	@touch $@

$(VENV)/.base: $(VENV)/.torch pyproject.toml
	$(PIP) --editable .
	@touch $@

$(VENV)/.%: $(VENV)/.base
	$(PIP) --group $*
	@touch $@

demo: $(VENV)/.base
	$(RUN)napari-segany demo --output demo

test: $(VENV)/.test
	scripts/run_tests.sh $(RUN)python $(PARALLEL) $(TEST_ARGS)

test-all: $(VENV)/.test
	scripts/run_tests.sh $(RUN)python $(PARALLEL) --full $(TEST_ARGS)

lint: $(VENV)/.test $(VENV)/.lint
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)mypy

docs: $(VENV)/.docs
	$(RUN)mkdocs build --strict --quiet

benchmark: $(VENV)/.test $(VENV)/.bench
	$(RUN)python benchmarks/faithful.py $(if $(DATA),--data $(DATA))

clean:
	rm -rf $(VENV) build dist site demo .pytest_cache .mypy_cache .ruff_cache
