# One entry for everything; each target sets up what it needs. `make help` lists them.
#
#   PYTHON=python3.12       interpreter to build the environments with (default: the first of 3.10-3.12)
#   TORCH='torch==2.6.0'    another torch, and what it needs, e.g. TORCH='torch==2.1.2 numpy<2'
#   CONSTRAINTS=            without the pins, which are for the default torch
#                           (CONSTRAINTS_ONEDL for .venv-onedl); an environment keeps these choices
#   WORKERS=4               test processes

SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV ?= .venv
VENV_ONEDL ?= .venv-onedl
WORKERS ?= 2

# The stamp of an environment holds the choices that it was made with, one a line. They hold until
# others are made, so that `make test` keeps the torch of `make setup TORCH=...`.
# $(1) variable, $(2) its line, $(3) stamp, $(4) default
choice = $(if $(filter undefined,$(origin $(1))),$(if $(wildcard $(3)),$(shell sed -n $(2)p $(3)),$(4)),$($(1)))
STAMP := $(VENV)/.ready
STAMP_ONEDL := $(VENV_ONEDL)/.ready
SPECS := $(call choice,TORCH,1,$(STAMP),torch==2.13.0)
SPECS_ONEDL := $(call choice,TORCH,1,$(STAMP_ONEDL),torch==2.13.0)
PINS := $(call choice,CONSTRAINTS,2,$(STAMP),constraints.txt)
PINS_ONEDL := $(call choice,CONSTRAINTS_ONEDL,2,$(STAMP_ONEDL),constraints-onedl.txt)

# $(1) stamp, $(2) specs, $(3) pins: a prerequisite that is always newer, if the choices have changed
changed = $(if $(wildcard $(1)),$(if $(subst |$(strip $(shell cat $(1)))|,,|$(strip $(2) $(3))|),again))

# The one of the environment comes first, if there is one. A stub like pyenv's may be on PATH without
# an interpreter behind it, so each candidate is run. $(1) environment
find_python = for p in $(or $(PYTHON),$(wildcard $(1)/bin/python) python3.11 python3.12 python3.10 python3 python); do \
	"$$p" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null \
	&& command -v "$$p" && break; done

# The toy networks gain nothing from threads; two single-threaded workers keep two cores busy.
PYTEST = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(1)/bin/python -m pytest -n $(WORKERS) -q

.PRECIOUS: $(STAMP) $(STAMP_ONEDL)
.PHONY: again help setup setup-onedl demo demo-cycada toy docs lint test test-onedl test-all package clean

help:
	@echo 'make setup        .venv with mmsegmentation, mmengine and mmcv-lite (no compiler needed)'
	@echo 'make demo         a small adaptation run on the CPU, with pictures'
	@echo 'make demo-cycada  all stages of CyCADA on the CPU, with pictures of translated images'
	@echo 'make toy          write the toy source and target data'
	@echo 'make docs         build the pages of docs/ as a site, in docs/_build'
	@echo 'make test         lint, then all quick tests'
	@echo 'make test-onedl   the tests marked "stack" on the onedl packages, in .venv-onedl'
	@echo 'make test-all     every test, slow ones included, on both'
	@echo 'make package      build wheel and sdist, install them into empty environments, use them there'
	@echo 'make clean        remove the environments and caches (data and work_dirs stay)'

# $(1) environment, $(2) extra, $(3) torch, $(4) pins
define install
	@python="$$($(call find_python,$(1)))"; \
	if [ -z "$$python" ]; then \
		echo "error: $(or $(PYTHON),python3) is not Python 3.10, 3.11 or 3.12:" \
			"$$($(or $(PYTHON),python3) --version 2>&1 | head -1)." \
			"Install one of these and name it: make setup PYTHON=/path/to/python3.11" >&2; exit 2; fi; \
	echo "Setting up $(1) ($(2)) with $$("$$python" --version) and $(3)"; \
	echo 'The first time this downloads torch (200 MB for a CPU wheel, up to 3 GB for CUDA)'; \
	echo 'and about 250 MB of other packages. Later runs are instant.'; \
	"$$python" -m venv $(1) || { echo "error: cannot make a virtual environment; on Debian and Ubuntu:" \
		"apt-get install python3-venv" >&2; exit 2; }
	@printf '%s\n' '$(3)' '$(4)' > $(1)/.ready && touch -t 200001010000 $(1)/.ready # not ready yet
	$(1)/bin/python -m pip install $(call quoted,$(3)) $(if $(4),-c $(4))
	$(1)/bin/python -m pip install --no-cache-dir --prefer-binary -e '.[$(2),dev]' \
		$(call quoted,$(3)) $(if $(4),-c $(4))
	@touch $(1)/.ready
endef

# One by one: `numpy<2` is a redirection to the shell.
quoted = $(foreach spec,$(1),'$(spec)')

$(STAMP): setup.py pyproject.toml $(PINS) $(call changed,$(STAMP),$(SPECS),$(PINS))
	$(call install,$(VENV),lite,$(SPECS),$(PINS))

$(STAMP_ONEDL): setup.py pyproject.toml $(PINS_ONEDL) \
		$(call changed,$(STAMP_ONEDL),$(SPECS_ONEDL),$(PINS_ONEDL))
	$(call install,$(VENV_ONEDL),onedl,$(SPECS_ONEDL),$(PINS_ONEDL))

setup: $(STAMP)
	@echo '$(VENV) is ready. Check it with: $(VENV)/bin/python -m mmseg_da.check'

setup-onedl: $(STAMP_ONEDL)
	@echo '$(VENV_ONEDL) is ready. Check it with: $(VENV_ONEDL)/bin/python -m mmseg_da.check'

demo: setup
	$(VENV)/bin/python benchmarks/demo.py

demo-cycada: setup
	$(VENV)/bin/python benchmarks/demo_cycada.py

toy: setup
	$(VENV)/bin/python tools/make_toy_domains.py

docs: setup
	$(VENV)/bin/python -m sphinx -W --keep-going -b html -d docs/_build/trees docs docs/_build/html
	@echo 'Open docs/_build/html/index.html'

# mypy with the pinned torch alone: others have other types.
lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(if $(PINS),$(VENV)/bin/mypy)

package: setup
	.ci/package $(VENV)/bin/python

test: lint
	$(call PYTEST,$(VENV)) -m 'not slow'

test-onedl: setup-onedl
	$(call PYTEST,$(VENV_ONEDL)) -m 'stack and not slow'

test-all: lint setup-onedl
	$(call PYTEST,$(VENV))
	$(call PYTEST,$(VENV_ONEDL))

clean:
	rm -rf $(VENV) $(VENV_ONEDL) docs/_build build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
