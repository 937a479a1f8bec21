# What a newcomer needs is `make book` and `make test`. Everything runs in .venv, made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/installed
# Colab's packages, for colab-check alone; and PyTorch and JAX, for bench alone.
COLAB := .venv-colab
BENCH := .venv-bench
CHAPTERS := $(shell find book -name '*.ipynb' -not -path '*/.*')
GROUPS := tensorflow notebooks book test lint build
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --quiet --no-annotate --generate-hashes \
  --custom-compile-command "make lock"

# TensorFlow's start-up chatter, as far as it can be turned off; Keras on the backend the book is for.
export TF_CPP_MIN_LOG_LEVEL := 3
export KERAS_BACKEND := tensorflow

.PHONY: help book test lint check seed-check colab-check measure robust grid mutants bench bench-quick run serve clean lock address
.DEFAULT_GOAL := help
.NOTPARALLEL:

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:[^#]*##/\t/' | expand -t 14

book: $(READY)  ## render the book from the committed outputs, warnings as errors
	$(BIN)/jupyter-book build . --quiet --warningiserror --nitpick --keep-going
	@echo "Open $(CURDIR)/_build/html/index.html"

test: book  ## unit tests, the site in a browser, every notebook rerun and compared with its outputs
	$(BIN)/python -m pytest

lint: $(READY)  ## style of the package, the tests and the notebooks; spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

colab-check: $(READY) $(COLAB)/installed  ## run chapters with Colab's packages: all, or make colab-check NB=...
	$(BIN)/python tools/colab_check.py $(if $(ROTATION),--rotation $(ROTATION)) $(NB)

# A seed that no chapter was tuned to, and that is not among the recorded ones.
seed-check: $(READY)  ## two chapters, which the commit chooses, with another seed
	$(BIN)/python tools/measure.py 7001 --rotation 2

check: ROTATION := 2
check: lint test seed-check colab-check  ## all of the above, two chapters for Colab: what .ci/run calls

run: $(READY)  ## re-execute notebooks in place: make run NB=book/game/first-gan.ipynb
	@test -n "$(NB)" || { echo "NB is empty: want a notebook, one of: $(CHAPTERS)"; exit 2; }
	$(BIN)/python tools/run_notebook.py $(NB)

measure: $(READY)  ## record what the claims measure: the book's seed, or make measure SEEDS="1 2 3"
	$(BIN)/python tools/measure.py $(or $(SEEDS),0)

robust: $(READY) $(COLAB)/installed  ## every claim for fresh seeds, make robust SEEDS=10, and under other settings
	$(BIN)/python tools/measure.py 0 --fresh $(or $(SEEDS),10) --settings

grid: $(READY)  ## record the experiment that is too long for its chapter, an hour: make grid NB=...
	$(BIN)/python tools/grid.py $(NB)

mutants: $(READY)  ## how many small faults the tests find: hours for all, or make mutants MODULES=gan
	$(BIN)/python tools/mutants.py $(MODULES)

bench: $(READY) $(BENCH)/installed  ## ganbook beside its peers, an hour: all, or make bench SECTIONS="ring dcgan"
	$(BENCH)/bin/python benchmarks/bench.py $(SECTIONS)

bench-quick: $(BENCH)/installed  ## a look at the ring and the DCGAN in two minutes: nothing is written
	$(BENCH)/bin/python benchmarks/bench.py --quick

serve: book  ## the rendered book on http://localhost:8000
	$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory _build/html

clean:  ## remove what was built; the environments too
	rm -rf _build $(VENV) $(COLAB) $(BENCH) .pytest_cache .ruff_cache book/.ruff_cache

lock: $(READY)  ## pin pyproject.toml's dependencies anew in requirements.txt (UPGRADE=1: the newest)
	$(BIN)/pip install -q uv
	$(LOCK) $(if $(UPGRADE),--upgrade) pyproject.toml $(GROUPS:%=--group %) --output-file requirements.txt
	$(LOCK) tools/colab-requirements.in --output-file tools/colab-requirements.txt

address: $(READY)  ## the book has moved: make address URL=https://github.com/account/repository
	$(BIN)/python tools/set_address.py "$(URL)"

# The stamp is written last, so an interrupted install is begun again.
$(READY): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
	  "$(PYTHON) is $$($(PYTHON) --version 2>&1): want Python 3.11 or newer, as in: make PYTHON=python3.11 book"; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# With Colab's Python, 3.13, where there is one. pyenv's python3.13 may be a name without a Python behind it.
$(COLAB)/installed: tools/colab-requirements.txt
	for python in python3.13 "$$(pyenv root 2>/dev/null)"/versions/3.13.*/bin/python $(PYTHON); do \
	  "$$python" -c '' 2>/dev/null && exec "$$python" -m venv --clear $(COLAB); done; exit 2
	$(COLAB)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(BENCH)/installed: requirements.txt benchmarks/requirements.txt
	$(PYTHON) -m venv --clear $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
