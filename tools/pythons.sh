#!/usr/bin/env bash
# The unit tests on other Pythons: ./tools/pythons.sh [VERSION...]
# Takes an interpreter that is there (on the PATH, of pyenv or of uv), or lets
# uv bring one; one that cannot be had is told of and left out. Leaves behind
# an environment for each, .venv-VERSION in the source tree.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/install.sh
. tools/install.sh

# find_python VERSION: prints the path of an interpreter, nothing without one.
find_python() {
    local found
    found=$(command -v "python$1" || true)
    # pyenv has a shim for each version it knows, which may be another's.
    if [ -n "$found" ] && "$found" -c '' 2>/dev/null; then
        echo "$found"
        return
    fi
    for found in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
        if [ -x "$found" ]; then
            echo "$found"
            return
        fi
    done
    .venv/bin/uv python find "$1" 2>/dev/null && return
    timeout 120 .venv/bin/uv python install -q "$1" 2>/dev/null || return 0
    .venv/bin/uv python find "$1" 2>/dev/null || true
}

[ "$#" != 0 ] || set -- 3.12 3.13
failed=0
for version in "$@"; do
    python=$(find_python "$version")
    if [ -z "$python" ]; then
        echo "Python $version cannot be had here; left out"
        continue
    fi
    HPCDIRECT_PYTHON=$python install_python ".venv-$version" \
        -e '.[service,client]' -r test-requirements.txt
    echo "unit tests on $("$python" --version)"
    PYTHONWARNINGS=ignore::DeprecationWarning \
        OS_TEST_PATH=./hpcdirect/tests/unit ".venv-$version/bin/python" \
        -m stestr --test-path ./hpcdirect/tests/unit run --concurrency 2 \
        > ".unit-$version.log" 2>&1 \
        || { failed=1; tail -60 ".unit-$version.log"; }
    grep -E '^ - (Passed|Failed)' ".unit-$version.log" || failed=1
done
exit "$failed"
