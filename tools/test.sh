#!/usr/bin/env bash
# Install what the tests need and run them all: ./tools/test.sh [stestr args]
# Root is needed for the tests on real nodes (they are part of the suite).
# Leaves behind: system packages, .venv in the source tree, and the node
# images' cache in /var/cache/hpcdirect.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/install.sh
. tools/install.sh

install_packages test
install_python .venv -e '.[service,client]' -r test-requirements.txt
# shellcheck disable=SC1091
. .venv/bin/activate

export OS_TEST_PATH=./hpcdirect/tests PYTHONWARNINGS=ignore::DeprecationWarning
# Databases and brokers of the tests live as long as a test: in memory they
# wait for no disk.
[ -n "${TMPDIR:-}" ] || [ ! -w /dev/shm ] || export TMPDIR=/dev/shm

failed=0
started=$(date +%s)
# The quick checks of tox -e pep8. They go beside the tests, and what they
# say comes at the end.
checks() {
    local check failed=0
    for check in 'ruff check -q .' 'mypy --no-error-summary' 'lint-imports'; do
        $check 2>&1 || { failed=1; echo "$check: not clean"; }
    done
    return "$failed"
}
OS_TEST_PATH=./hpcdirect/tests/unit stestr --test-path ./hpcdirect/tests/unit run --concurrency 3 "$@" || failed=1
unit=$(($(date +%s) - started))
echo "$unit" > .stestr/unit  # how quick the machine is, for .ci/run
# On any machine the functional tests have 22 minutes: where the unit tests
# take 60 s, those that always run need 13, and the long ones have the others.
# A machine that is half as quick has no room for more than one of the long.
if [ "$#" = 0 ] && [ -z "${HPCDIRECT_LONG:-}" ]; then
    long=$((1320 / (unit + 1) - 13))
    export HPCDIRECT_LONG=$((long > 1 ? long : 1))
    echo "unit tests ${unit} s: $HPCDIRECT_LONG minutes of long ones"
fi
checks > .checks &
checking=$!
stestr --test-path ./hpcdirect/tests/functional run --combine \
    --worker-file tools/workers.yaml "$@" || failed=1

wait "$checking" || { cat .checks; failed=1; }
rm -f .checks
echo "unit tests ${unit} s, all $(($(date +%s) - started)) s"
# stestr's own count closes the run, so that nobody has to believe ours.
totals=$(stestr last || true)
left=$(stestr last --subunit | subunit2pyunit 2>&1 \
    | grep -c 'no minutes were left' || true)
[ "$left" = 0 ] || echo "no minutes were left for $left tests, or classes of them"
passed=$(awk '/ - Passed:/ {print $3}' <<<"$totals")
broken=$(awk '/ - (Failed|Unexpected Success):/ {n += $NF} END {print n + 0}' <<<"$totals")
[ -n "$passed" ] || { echo "stestr counted no test"; exit 1; }
[ "$failed" = 0 ] || [ "$broken" != 0 ] || broken=1
echo "$passed passed, $broken failed"
exit "$failed"
