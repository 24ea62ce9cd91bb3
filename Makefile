# Two commands do everything from a fresh clone: make demo, make test.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint types check clean

# Torch is pinned in constraints.txt; the CPU build is enough (see README: Install).
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: .venv/ready
	$(BIN)/ecggen reconstruct tests/samples/apple_watch_lead_I.csv \
		--truth tests/samples/00262_hr.hea --out demo --overwrite

test: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/ready
	$(BIN)/pyright

check: lint types

clean:
	rm -rf .venv demo build *.egg-info
