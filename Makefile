# One entry for everything; each target sets up what it needs. `make help` lists them.
#
#   PYTHON=python3.12       interpreter to build the environments with (default: the first of 3.10-3.12)
#   TORCH='torch==2.6.0'    another torch, and what it needs, e.g. TORCH='torch==2.1.2 numpy<2'
#   CONSTRAINTS=            without the pins, which are for the default torch
#   WORKERS=4               test processes

SHELL := /bin/bash
.DEFAULT_GOAL := help

TORCH ?= torch==2.13.0
CONSTRAINTS ?= constraints.txt
CONSTRAINTS_ONEDL ?= constraints-onedl.txt
VENV ?= .venv
VENV_ONEDL ?= .venv-onedl
WORKERS ?= 2

# Quoted one by one: `numpy<2` is a redirection to the shell.
SPECS = $(foreach spec,$(TORCH),'$(spec)')

# A stub like pyenv's may be on PATH without an interpreter behind it, so each candidate is run.
FIND_PYTHON = for p in $(or $(PYTHON),python3.11 python3.12 python3.10 python3 python); do \
	"$$p" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null \
	&& command -v "$$p" && break; done

# The toy networks gain nothing from threads; two single-threaded workers keep two cores busy.
PYTEST = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(1)/bin/python -m pytest -n $(WORKERS) -q

STAMP = $(VENV)/.ready-$(subst =,-,$(subst ==,-,$(firstword $(TORCH))))
STAMP_ONEDL = $(VENV_ONEDL)/.ready-$(subst =,-,$(subst ==,-,$(firstword $(TORCH))))

.PHONY: help setup setup-onedl demo toy lint test test-onedl test-all clean

help:
	@echo 'make setup        .venv with mmsegmentation, mmengine and mmcv-lite (no compiler needed)'
	@echo 'make demo         a small adaptation run on the CPU, with pictures'
	@echo 'make toy          write the toy source and target data'
	@echo 'make test         lint, then all quick tests'
	@echo 'make test-onedl   the tests marked "stack" on the onedl packages, in .venv-onedl'
	@echo 'make test-all     every test, slow ones included, on both'
	@echo 'make clean        remove the environments and caches (data and work_dirs stay)'

# $(1) environment, $(2) extra, $(3) constraints
define install
	@python="$$($(FIND_PYTHON))"; \
	if [ -z "$$python" ]; then \
		echo "error: $(or $(PYTHON),python3) is not Python 3.10, 3.11 or 3.12:" \
			"$$($(or $(PYTHON),python3) --version 2>&1 | head -1)." \
			"Install one of these and name it: make setup PYTHON=/path/to/python3.11" >&2; exit 2; fi; \
	echo "Setting up $(1) ($(2)) with $$("$$python" --version) and" $(SPECS); \
	echo 'The first time this downloads torch (200 MB for a CPU wheel, up to 3 GB for CUDA)'; \
	echo 'and about 250 MB of other packages. Later runs are instant.'; \
	"$$python" -m venv $(1) || { echo "error: cannot make a virtual environment; on Debian and Ubuntu:" \
		"apt-get install python3-venv" >&2; exit 2; }
	$(1)/bin/python -m pip install $(SPECS) $(if $(3),-c $(3))
	$(1)/bin/python -m pip install --no-cache-dir --prefer-binary -e '.[$(2),dev]' \
		$(SPECS) $(if $(3),-c $(3))
	@rm -f $(1)/.ready-*
endef

$(STAMP): setup.py pyproject.toml $(CONSTRAINTS)
	$(call install,$(VENV),lite,$(CONSTRAINTS))
	@touch $@

$(STAMP_ONEDL): setup.py pyproject.toml $(CONSTRAINTS_ONEDL)
	$(call install,$(VENV_ONEDL),onedl,$(CONSTRAINTS_ONEDL))
	@touch $@

setup: $(STAMP)
	@echo '$(VENV) is ready. Check it with: $(VENV)/bin/python -m mmseg_da.check'

setup-onedl: $(STAMP_ONEDL)
	@echo '$(VENV_ONEDL) is ready. Check it with: $(VENV_ONEDL)/bin/python -m mmseg_da.check'

demo: setup
	$(VENV)/bin/python tools/demo.py

toy: setup
	$(VENV)/bin/python tools/make_toy_domains.py

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

test: lint
	$(call PYTEST,$(VENV)) -m 'not slow'

test-onedl: setup-onedl
	$(call PYTEST,$(VENV_ONEDL)) -m 'stack and not slow'

test-all: lint setup-onedl
	$(call PYTEST,$(VENV))
	$(call PYTEST,$(VENV_ONEDL))

clean:
	rm -rf $(VENV) $(VENV_ONEDL) build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
