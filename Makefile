# The two commands of a fresh machine are `make run` and `make test`.
# The first of these that is a Python from 3.10 to 3.13; `make run PYTHON=...` names another one.
SUPPORTED = import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.10; do \
    $$name -c '$(SUPPORTED)' 2>/dev/null && echo $$name && break; done)
PYTHONS ?= 3.10 3.11 3.12 3.13
PROCESSES ?= 2
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
# What the tests import is compiled by the first of them that does; compiling all that is installed
# for them takes longer. Without files of compiled modules, each of hundreds of processes would do it.
LATER := --no-compile
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest -q
# Each of these files trains a network and gets a process of its own: OpenVINO and training in one
# process have crashed it.
TRAINING = grep -rl --include="test_*.py" "pytest.mark.training" tests | xargs -P $(PROCESSES) -n 1

.PHONY: run test test-all test-slurm test-pythons check lint docs docs-check bench lock clean browser

run: .venv/run  ## segment the sample images, write CSA and QC under output/
	$(BIN)/python benchmarks/accuracy/sample_run.py

test: .venv/test browser check  ## lint, types and the tests that take minutes
	$(PYTEST) -n $(PROCESSES) -m "not slow and not gpu and not sct and not training"
	$(TRAINING) $(PYTEST) -m "training and not slow"

test-all: .venv/test browser check docs  ## all tests, the long ones too
	$(PYTEST) -n $(PROCESSES) -m "not training"
	$(TRAINING) $(PYTEST) -m training

test-slurm: .venv/test  ## a batch on a real SLURM of this machine
	bash tests/slurm/run.sh

test-pythons:  ## the sample images and the quick tests on every supported Python of this machine
	bash tests/pythons.sh $(PYTHONS)

check: .venv/test  ## lint, types and docs, side by side
	$(MAKE) --no-print-directory -j $(PROCESSES) --output-sync lint docs-check

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit -q -c bandit.yaml -r sct_deepseg_general benchmarks

docs: .venv/test  ## the site of docs/ and of the Python API, under build/site; warnings are errors
	rm -rf docs/generated
	$(BIN)/python -m sphinx -q -W --keep-going -j auto docs build/site

# Reads all pages, runs the notebook and resolves all references as `docs`, but writes no HTML, which
# takes three times as long.
docs-check: .venv/test
	rm -rf docs/generated
	$(BIN)/python -m sphinx -q -W --keep-going -b dummy docs build/docs-check

bench: .venv/test  ## the tables that docs/ quotes; half an hour on two cores
	$(BIN)/python benchmarks/accuracy/reference_csa.py
	$(BIN)/python benchmarks/accuracy/phantom_csa.py --quick
	$(BIN)/python benchmarks/quality/interval_coverage.py
	$(BIN)/python benchmarks/quality/failure_detection.py
	$(BIN)/python benchmarks/accuracy/repeatability.py
	$(BIN)/python benchmarks/speed/batch_throughput.py
	$(BIN)/python benchmarks/speed/speed.py -n 5

# The tests of the QC page drive a real Chromium; without one they are skipped.
browser:
	@for name in $$CHROMIUM chromium chromium-browser google-chrome; do \
	    ! command -v $$name >/dev/null || exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    { apt-get -qq update; DEBIAN_FRONTEND=noninteractive timeout 900 \
	      apt-get -qq install --no-install-recommends chromium; } >/dev/null 2>&1 </dev/null; fi; \
	command -v chromium >/dev/null \
	|| echo "Chromium is not installed and cannot be installed: the tests of the QC page are skipped."

clean:
	rm -rf .venv output build *.egg-info

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "No Python from 3.10 to 3.13 was found: install one, or name it \
	with PYTHON=/path/to/python." >&2; exit 1; }
	$(PYTHON) -m venv .venv

# What is installed is pinned with the hashes of its files, for Python 3.10 to 3.13 in one file. torch
# is pinned in constraints.txt: its builds for CPU and GPU come from different places. The project's
# folder is put on the path so that the benchmarks can import each other.
.venv/run: requirements/run.lock pyproject.toml | .venv/bin/python
	$(PIP) --require-hashes --no-deps -r requirements/run.lock
	$(PIP) --no-deps --no-build-isolation -e .
	pwd > $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth
	touch $@

.venv/test: .venv/run requirements/test.lock constraints.txt
	$(PIP) $(LATER) --no-deps -c constraints.txt torch
	$(PIP) $(LATER) --require-hashes --no-deps -r requirements/test.lock
	touch $@

# Resolves the versions anew, keeping those that still fit; needs uv.
LOCK = uv pip compile -q --universal --python-version 3.10 --generate-hashes --no-annotate \
	--no-header --override requirements/apart.txt pyproject.toml requirements/build.txt
lock:
	$(LOCK) --extra train --extra torch --extra slurm --extra norms --extra dicom-out --extra int8 \
	    --extra docs --extra test requirements/torch.txt \
	    -o requirements/test.lock
	$(LOCK) -c requirements/test.lock -o requirements/run.lock
