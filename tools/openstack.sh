#!/usr/bin/env bash
# The tests in a real OpenStack cloud: ./tools/openstack.sh [stestr args]
# Brings up a bed of its own (devstack/bed), runs hpcdirect/tests/openstack in
# it and takes it down again. KEEP=1 leaves it up for a look, and goes on with
# one that was left up. Needs root. With "portal" among the arguments, or with
# HPCDIRECT_SOAK, there is a Horizon in it, and a browser; pictures, a
# video and traces go to CI_LOGS, or to .ui.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/install.sh
. tools/install.sh

install_packages openstack
export BED_PYTHON=${BED_PYTHON:-$PWD/.venv}
if [ "$BED_PYTHON" = "$PWD/.venv" ]; then
    install_python .venv -e '.[service,client]' -r test-requirements.txt
fi
bed=devstack/bed/bed
export BED_NAME=${BED_NAME:-hpctest}
path=${BED_PATH:-/var/lib/hpcdirect-bed/$BED_NAME}
if [[ "${HPCDIRECT_SOAK:+portal} $*" == *portal* ]]; then
    install_packages ui
    export BED_PORTAL=yes
    export HPCDIRECT_UI_PORTAL=http://127.0.0.1:8080
    export HPCDIRECT_UI_KEYSTONE=http://127.0.0.1:5000/v3
    export HPCDIRECT_UI_PASSWORDS=$path/etc/secrets.json
    export HPCDIRECT_UI_PICTURES=${CI_LOGS:-$PWD/.ui}
    mkdir -p "$HPCDIRECT_UI_PICTURES"
fi
# No child holds the lock: what a run that was killed left behind must not.
exec 8> "/run/lock/hpcdirect-openstack-$BED_NAME.lock"
flock -n 8 || { echo "another run is at work in the bed $BED_NAME"; exit 1; }

# shellcheck disable=SC2317  # the trap calls it
down() {
    status=$?
    if [ "$status" != 0 ] && [ -n "${CI_LOGS:-}" ]; then
        mkdir -p "$CI_LOGS"
        cp -r "$path/log" "$CI_LOGS/" || true
    fi
    [ -n "${KEEP:-}" ] || "$bed" down 8>&-
    exit "$status"
}
trap down EXIT

began=$(date +%s)
# Clusters of a run that was killed would be in the way of this one's.
[ -n "${KEEP:-}" ] || "$bed" down 8>&-
"$bed" up 8>&-
echo "the bed is up after $(($(date +%s) - began)) s"
failed=0
# One worker: there is one cloud.
"$bed" exec "$BED_PYTHON/bin/stestr" --test-path ./hpcdirect/tests/openstack \
    run --serial "$@" 8>&- || failed=1
totals=$("$BED_PYTHON/bin/stestr" last || true)
passed=$(awk '/ - Passed:/ {print $3}' <<<"$totals")
broken=$(awk '/ - (Failed|Unexpected Success):/ {n += $NF} END {print n + 0}' <<<"$totals")
[ -n "$passed" ] || { echo 'stestr counted no test'; exit 1; }
[ "$failed" = 0 ] || [ "$broken" != 0 ] || broken=1
echo "OpenStack: $(($(date +%s) - began)) s in all"
echo "$passed passed, $broken failed"
exit "$failed"
