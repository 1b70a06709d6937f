# The two commands of a fresh machine are `make run` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
TRAINING = $(shell grep -rl --include="test_*.py" "pytest.mark.training" tests)  # a process each
PIP := $(BIN)/pip install -q --disable-pip-version-check

.PHONY: run test test-all test-slurm lint bench clean browser

run: .venv/run  ## segment the sample images, write CSA and QC under output/
	$(BIN)/python benchmarks/accuracy/sample_run.py

test: .venv/test browser lint  ## lint, types and the tests that take minutes
	$(BIN)/python -m pytest -m "not slow and not gpu and not sct and not training"
	for file in $(TRAINING); do $(BIN)/python -m pytest -m "not slow" $$file || exit 1; done

test-all: .venv/test browser lint
	$(BIN)/python -m pytest -m "not training"
	for file in $(TRAINING); do $(BIN)/python -m pytest $$file || exit 1; done

test-slurm: .venv/test
	bash tests/slurm/run.sh

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit -q -c bandit.yaml -r sct_deepseg_general benchmarks

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
	|| echo "No Chromium here, nor can it be installed: the QC page's tests are skipped."

clean:
	rm -rf .venv output build *.egg-info

.venv/bin/python:
	$(PYTHON) -m venv .venv

# What is installed is pinned with the hashes of its files, all but torch: its builds for CPU and
# GPU come from different places. nnU-Net's own dependencies are in the lock, without torchvision,
# which nothing here needs.
.venv/run: requirements/run.lock pyproject.toml | .venv/bin/python
	$(PIP) --require-hashes --no-deps -r requirements/run.lock
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

.venv/test: .venv/run requirements/test.lock constraints.txt
	$(PIP) --require-hashes --no-deps -r requirements/test.lock
	$(PIP) --no-deps -c constraints.txt torch
	touch $@
