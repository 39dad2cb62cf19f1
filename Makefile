# `make demo` and `make test` need nothing but Python >= 3.10; everything is installed into .venv.
PYTHON ?= python3
PY := .venv/bin/python
READY := .venv/.ready
DEMO_ARGS ?=
DOCS_ARGS ?=
TEST_ARGS ?=
BENCH ?= benchmarks/frames.py
BENCH_ARGS ?=

.PHONY: help setup demo test test-oldest scatter lint types docs wheel smoke format peers bench ratios clean

help:  ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/'

setup: $(READY)  ## .venv with fa_pyg and all it needs

# Made again when the pins change, when .venv is broken, or when the folder was moved.
ifneq ($(shell { $(PY) -c "" && cat $(READY); } 2>/dev/null),$(CURDIR))
.PHONY: $(READY)
endif
$(READY): pyproject.toml setup.py constraints.txt scripts/setup_venv.sh
	@bash scripts/setup_venv.sh "$(PYTHON)"

demo: setup  ## train a frame-averaged network on n-body data and compare it, in a few minutes
	$(PY) scripts/demo.py $(DEMO_ARGS)

test: setup scatter  ## the test suite
	$(PY) -m pytest -n 2 --dist worksteal $(TEST_ARGS)

test-oldest:  ## the tests with the oldest versions that are allowed, in an environment of their own
	@PYTHON="$(PYTHON)" bash scripts/test_oldest.sh -n 2 --dist worksteal $(TEST_ARGS)

scatter: setup  # torch_scatter, compiled against the installed torch; the tests go on without it
	@$(PY) scripts/setup_scatter.py

lint: setup  ## style, layout and spelling, checked only
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	.venv/bin/codespell

types: setup  ## types, by pyright; also those that users of the library see
	.venv/bin/pyright
	$(PY) tests/types/check.py

docs: setup  ## the site, in docs/_build/html; a broken reference or a failing tutorial is an error
	OMP_NUM_THREADS=1 .venv/bin/sphinx-build -j 2 -W --keep-going -n $(DOCS_ARGS) -b html docs docs/_build/html

wheel: setup  ## sdist and wheel, in dist
	rm -rf build # its files would stay in the wheel
	$(PY) -m build -q .

smoke: setup  ## install the wheel into a new environment, without the source tree, and try it
	bash scripts/smoke_wheel.sh "$(PYTHON)"

format: setup  ## style and layout, mended
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

peers: setup scatter  # other libraries, for benchmarks
	$(PY) -m pip install -q -c constraints.txt --no-build-isolation -e '.[train,chem,clouds,dev,docs,bench]'

bench: peers  ## frames against other libraries (BENCH=file BENCH_ARGS=...)
	$(PY) $(BENCH) $(BENCH_ARGS)

ratios: peers  ## ratios of this version, in benchmarks/ratios; on a quiet machine, half an hour
	$(eval FILE := benchmarks/ratios/$(shell $(PY) -c "import fa_pyg; print(fa_pyg.__version__)").json)
	set -e; for name in frames.py overhead.py "overhead.py --networks" "weighted.py --quick" training.py scale.py; do \
		OMP_NUM_THREADS=1 $(PY) benchmarks/$$name --json $(FILE); done

clean:  ## remove what was built and cached; .venv, .cache, data and runs stay
	rm -rf build dist docs/_build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find fa_pyg tests scripts benchmarks -name __pycache__ -prune -exec rm -rf {} +
