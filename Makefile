# Two commands do everything from a fresh clone: make demo, make test.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo serve test docs lint types check wheel wheel-test clean

# Torch is pinned in constraints.txt; the CPU build is enough (see docs/getting-started.md).
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	touch $@

demo: .venv/ready
	$(BIN)/ecggen reconstruct tests/samples/apple_watch_lead_I.csv \
		--truth tests/samples/00262_hr.hea --out demo --overwrite

# The page for a browser; stop it with Ctrl+C.
serve: .venv/ready
	$(BIN)/ecggen serve

test: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

# The site, built offline; broken links and missing pages are errors.
docs: .venv/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict --site-dir build/site

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/ready
	$(BIN)/pyright

check: lint types

wheel: .venv/ready
	rm -rf build/wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/wheel .

# The wheel in an environment of its own, used offline from an empty folder.
wheel-test: wheel
	rm -rf build/wheel-venv
	$(PYTHON) -m venv build/wheel-venv
	build/wheel-venv/bin/python -m pip install --quiet --constraint constraints.txt build/wheel/*.whl
	build/wheel-venv/bin/python tests/tools/use_wheel.py build/wheel
	rm -rf build/wheel-venv

clean:
	rm -rf .venv demo build *.egg-info
