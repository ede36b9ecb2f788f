# Every target sets up what it needs on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501
REHEARSE ?= 12
# One for each of the two cores of CI. Three (WORKERS=3) put more load on the pages and found two faults of tests.
WORKERS ?= 2
# Files and tests run in a random order, which the run prints; SEED=... repeats one.
ORDER := $(if $(SEED),--randomly-seed=$(SEED))

.PHONY: help demo test slow check bench docs screens browser clean

help:
	@echo "make demo    a small study with real responses, served on port $(PORT)"
	@echo "make test    all tests but the slow ones"
	@echo "make slow    the slow tests"
	@echo "make check   style, types, import directions, documentation"
	@echo "make bench   the benchmarks"
	@echo "make docs    the pages of docs/ that programs write, from what they describe"
	@echo "make screens the screenshots of docs/screens, taken anew"

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	  { echo "evenhand needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/evenhand demo --rehearse $(REHEARSE) --port $(PORT)

# The tests drive a real browser. Where the system has a package manager that we know and we may use
# it, the browser is installed; elsewhere the browser tests say what is missing and are skipped.
browser:
	@sh tests/install_browser.sh

test: $(VENV)/.installed browser
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile $(ORDER)

slow: $(VENV)/.installed browser
	$(BIN)/python -m pytest -m "slow and not alone" -n 2 --dist loadfile --timeout 1800 $(ORDER)
	$(BIN)/python -m pytest -m "slow and alone" --timeout 1800 $(ORDER)

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_docs.py tests/test_import_circles.py

bench: $(VENV)/.installed
	$(BIN)/evenhand bench

# The pages on speed and calibration are written from the benchmarks' own files; each names its program.
docs: $(VENV)/.installed
	for page in commands protocol systems validation; do \
	  $(BIN)/python docs/writers/$${page}_page.py || exit 1; done

screens: $(VENV)/.installed browser
	EVENHAND_SCREENS=1 $(BIN)/python -m pytest -m browser tests/test_survey_app_session.py

clean:
	rm -rf $(VENV) demo-study .pytest_cache .mypy_cache .ruff_cache
