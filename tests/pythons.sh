#!/usr/bin/env bash
#
# Install the project into a fresh environment for each Python named, segment the sample images and
# run the tests that need neither torch nor a browser. A Python that this machine lacks is skipped.
#
#   bash tests/pythons.sh 3.10 3.11 3.12 3.13
#
set -euo pipefail
cd "$(dirname "$0")/.."
PASSED=0 FAILED=0 SKIPPED=0

# The interpreter of a version: on the PATH, or among those of pyenv.
interpreter() {
  local candidates=()
  mapfile -t candidates < <(command -v "python$1"; ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python 2>/dev/null)
  for candidate in "${candidates[@]}"; do
    if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

for VERSION in "$@"; do
  PYTHON="$(interpreter "$VERSION")"
  if [[ -z "$PYTHON" ]]; then
    echo "Python $VERSION: skipped, this machine has none"
    SKIPPED=$((SKIPPED + 1))
    continue
  fi
  PLACE="$(mktemp -d)"
  trap 'rm -rf "$PLACE"' EXIT
  STATUS=0
  {
    "$PYTHON" -m venv "$PLACE/venv"
    BIN="$PLACE/venv/bin"
    "$BIN/python" -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements/run.lock
    "$BIN/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
    # pytest and hypothesis in the pinned versions; nothing else of the test environment is needed
    "$BIN/python" -m pip install -q --disable-pip-version-check --no-deps --require-hashes \
      -r <("$BIN/python" tests/support/part_of_lock.py requirements/test.lock pytest hypothesis sortedcontainers attrs iniconfig pluggy pygments exceptiongroup tomli execnet pytest-xdist packaging scikit-image networkx imageio lazy-loader tifffile)
    "$BIN/python" benchmarks/accuracy/sample_run.py "$PLACE/output"
    "$BIN/python" -m pytest -q -n 2 -p no:cacheprovider -m "not slow and not gpu and not sct and not training" \
      tests/image tests/morphometry tests/csa tests/quality tests/job tests/inference tests/datasets tests/zoo
  } || STATUS=$?
  rm -rf "$PLACE"
  if [[ $STATUS -eq 0 ]]; then PASSED=$((PASSED + 1)); else FAILED=$((FAILED + 1)); fi
  echo "Python $VERSION: exit code $STATUS"
done
echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
[[ $FAILED -eq 0 ]]
