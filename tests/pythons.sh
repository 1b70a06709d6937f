#!/usr/bin/env bash
#
# Install the project into a fresh environment for each Python named, segment the sample images and
# run the tests that need neither torch nor a browser. A Python that this machine lacks is skipped.
#
#   bash tests/pythons.sh 3.10 3.11 3.12 3.13
#   PROCESSES=1 bash tests/pythons.sh 3.12
#
set -euo pipefail
cd "$(dirname "$0")/.."

# pytest and what the tests import, in the versions of the lock; nothing else of the test environment
NEEDED=(pytest pytest-xdist execnet iniconfig packaging pluggy pygments exceptiongroup tomli
  hypothesis sortedcontainers attrs
  scikit-image networkx imageio lazy-loader tifffile)
TESTS=(tests/test_bids.py tests/test_content.py tests/test_files.py tests/test_schema.py
  tests/test_text_files.py tests/api tests/image tests/morphometry tests/levels tests/csa
  tests/quality tests/norms tests/qc tests/job tests/inference tests/datasets tests/zoo)

# The interpreter of a version: on the PATH, of pyenv, or of uv.
interpreter() {
  local candidates=()
  mapfile -t candidates < <(
    command -v "python$1"
    ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python 2>/dev/null
    uv python find --no-python-downloads "$1" 2>/dev/null
  )
  for candidate in "${candidates[@]}"; do
    if "$candidate" -c "import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

# Everything with one interpreter, in the folder given. Run as a process of its own: bash ignores a
# command that fails in a function whose end it tests.
check() {
  local python="$1" place="$2" bin="$2/venv/bin"
  "$python" -m venv "$place/venv"
  local pip=("$bin/python" -m pip install -q --disable-pip-version-check --no-deps)
  "${pip[@]}" --require-hashes -r requirements/run.lock
  "${pip[@]}" --no-build-isolation -e .
  "$bin/python" tests/support/part_of_lock.py requirements/test.lock "${NEEDED[@]}" >"$place/tests.lock"
  "${pip[@]}" --require-hashes -r "$place/tests.lock"
  "$bin/python" benchmarks/accuracy/sample_run.py "$place/output"
  "$bin/python" -m pytest -q -n "${PROCESSES:-2}" -p no:cacheprovider \
    -m "not slow and not gpu and not sct and not training" "${TESTS[@]}"
}

if [[ "${1:-}" == --check ]]; then
  check "$2" "$3"
  exit
fi

PASSED=0 FAILED=0 SKIPPED=0
PLACE=""
trap 'rm -rf "$PLACE"' EXIT
for VERSION in "$@"; do
  PYTHON="$(interpreter "$VERSION")"
  if [[ -z "$PYTHON" ]]; then
    echo "Python $VERSION: skipped, this machine has none"
    SKIPPED=$((SKIPPED + 1))
    continue
  fi
  echo "Python $VERSION: $PYTHON"
  PLACE="$(mktemp -d)"
  STATUS=0
  bash "$0" --check "$PYTHON" "$PLACE" || STATUS=$?
  rm -rf "$PLACE"
  if [[ $STATUS -eq 0 ]]; then PASSED=$((PASSED + 1)); else FAILED=$((FAILED + 1)); fi
  echo "Python $VERSION: exit code $STATUS"
done
echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
[[ $FAILED -eq 0 ]]
