# One place for every habit. `make demo` and `make test` need Python 3.11 to 3.13, git and make; all else is installed into .venv.
# Candidates for the interpreter: the first suitable one is used. To choose: make demo PYTHON=/path/to/python
PYTHON ?= python3 python3.13 python3.12 python3.11
UV ?= uv
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq

# Small arrays run fastest on one thread, and two test processes must not fight for the cores. XLA sizes its pool by NPROC.
CALM := NPROC=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MPLBACKEND=Agg
# Tests that are neither slow nor benchmarks. More arguments for pytest: make test ARGS="-k sphere"
ARGS ?=

.PHONY: help demo test lint types pytest test-slow docs docs-links bench bench-slow bench-exact bench-phases acceptance scaling float32 dense kernels baseline lock clean

help:
	@echo 'make demo        the main job on real data; writes demo-output/report.html'
	@echo 'make test        lint, types and the fast tests'
	@echo 'make test-slow   the slow tests'
	@echo 'make docs        the documentation, examples executed, into docs/_build/html (make docs-links: check its links again)'
	@echo 'make bench       benchmarks, small sizes (bench-slow: the large ones)'
	@echo 'make bench-exact exact flows against integrators (make bench-phases: the phase diagram against the published algorithm)'
	@echo 'make acceptance  the table of what must be reached, measured (make scaling: times against the number of atoms)'
	@echo 'make baseline    against the same network trained by Adam (make float32: how many atoms single precision carries)'
	@echo 'make kernels     sums over atoms in linear time: times, errors, memory, break-even with all pairs'
	@echo 'make dense       dense attention beside NumPy, JAX written out, torch and KeOps (those that are installed)'
	@echo 'make lock        resolve requirements/*.txt again (needs uv; LOCK=--upgrade for the newest versions)'
	@echo 'make clean       remove everything that was built, .venv too'

demo: .venv/.package
	$(BIN)/measureformer demo --out demo-output --force

test: lint types pytest

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/pyright --pythonpath $(BIN)/python

pytest: .venv/.dev
	$(CALM) $(BIN)/python -m pytest -n 2 -m "not slow" $(ARGS)

test-slow: .venv/.dev
	$(CALM) $(BIN)/python -m pytest -n 2 -m slow $(ARGS)

# Warnings are errors: a formula that cannot be drawn, a function or a test that pages name and that is gone. Nothing is fetched.
docs: .venv/.docs
	$(CALM) $(BIN)/python -m pytest tests/docs
	$(CALM) $(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	$(BIN)/python docs/check_links.py docs/_build/html

docs-links: .venv/.docs
	$(BIN)/python docs/check_links.py docs/_build/html

bench: .venv/.dev
	$(CALM) $(BIN)/python -m pytest benchmarks -m "not slow" $(ARGS)

bench-slow: .venv/.dev
	$(CALM) $(BIN)/python -m pytest benchmarks -m slow $(ARGS)

# One thread for everybody; CPU seconds. More: make bench-phases ARGS=--full
bench-exact: .venv/.dev
	$(CALM) $(BIN)/python benchmarks/exact.py $(ARGS)

bench-phases: .venv/.dev
	$(CALM) $(BIN)/python benchmarks/phase_diagram.py $(ARGS)

# Measured as a user has it, on all cores. Some of it only: make acceptance ARGS="--rows 1 3"
acceptance: .venv/.dev
	PYTHONPATH=tests $(BIN)/python benchmarks/acceptance.py $(ARGS)

scaling: .venv/.dev
	PYTHONPATH=tests OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/scaling.py $(ARGS)

float32: .venv/.dev
	PYTHONPATH=tests OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/float32.py $(ARGS)

kernels: .venv/.dev
	$(BIN)/python benchmarks/kernels.py $(ARGS)

# Peers that are installed in .venv join in. Larger: make dense ARGS="--cases 3x64000"
dense: .venv/.dev
	$(BIN)/python benchmarks/dense.py $(ARGS)

baseline: .venv/.dev
	PYTHONPATH=tests OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/baseline.py $(ARGS)

# The stamps: each step is done once, and again when what it depends on has changed.
.venv/.created:
	@for python in $(PYTHON); do \
	  if "$$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then \
	    echo "Making .venv with $$("$$python" --version)"; \
	    "$$python" -m venv .venv && touch $@ && exit 0 || exit 1; \
	  fi; \
	done; \
	echo 'measureformer needs Python 3.11, 3.12 or 3.13 with the module venv; tried: $(PYTHON).' >&2; \
	echo 'Install one (Debian, Ubuntu: also the package python3-venv), or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12' >&2; \
	exit 1

.venv/.core: requirements/core.txt .venv/.created
	@echo 'Installing what the library needs (a few hundred MB, once)'
	$(PIP) --require-hashes --only-binary :all: -r $<
	@touch $@

.venv/.package: pyproject.toml .venv/.core
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.package
	@echo 'Installing the tools for tests'
	$(PIP) --require-hashes --only-binary :all: -r $<
	@touch $@

.venv/.docs: requirements/docs.txt .venv/.dev
	@echo 'Installing the tools for the documentation'
	$(PIP) --require-hashes --only-binary :all: -r $<
	@touch $@

# Universal locks (markers for each Python), hashes for every file, and no address in them: pip takes the files from wherever it is configured to.
LOCK ?=
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --fork-strategy requires-python --generate-hashes \
  --no-annotate --custom-compile-command 'make lock' $(LOCK) pyproject.toml

lock:
	@command -v $(UV) >/dev/null || { echo 'make lock needs uv: install it (pip install uv), or name it: make lock UV=/path/to/uv' >&2; exit 1; }
	$(COMPILE) --group dev --extra report --extra export --extra train --extra data --extra cluster --output-file requirements/dev.txt
	$(COMPILE) --group build --constraint requirements/dev.txt --output-file requirements/core.txt
	$(COMPILE) --group docs --constraint requirements/dev.txt --output-file requirements/docs.txt

clean:
	rm -rf .venv demo-output build dist docs/_build docs/api docs/gallery .pytest_cache .ruff_cache .hypothesis .benchmarks
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
