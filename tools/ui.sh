#!/usr/bin/env bash
# The portal in a real browser: ./tools/ui.sh [stestr args]
# Starts a Keystone, a Horizon and the service with fake machines on ports of
# this machine, runs hpcdirect/tests/ui and ends them again. No root is needed
# once the packages of bindep.txt are there. KEEP=1 leaves it all up for a
# look, and goes on with what was left up. Pictures, videos of the journeys, and
# traces of those and of what failed, go to CI_LOGS, or to .ui.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/install.sh
. tools/install.sh

install_packages ui
python=${UI_PYTHON:-$PWD/.venv}
if [ "$python" = "$PWD/.venv" ]; then
    install_python .venv -e '.[service,client]' -r test-requirements.txt
fi
cache=${HPCDIRECT_CACHE:-$HOME/.cache/hpcdirect}
port=${HPCDIRECT_UI_PORT:-19600}
state=${TMPDIR:-/tmp}/hpcdirect-ui-$(id -u)-$port
service=http://127.0.0.1:$((port + 2))
# What the tests are told.
export HPCDIRECT_UI_PORTAL=http://127.0.0.1:$port
export HPCDIRECT_UI_DARK=http://127.0.0.1:$((port + 3))
export HPCDIRECT_UI_PYTHON=$cache/portal/bin/python
export HPCDIRECT_UI_KEYSTONE=http://127.0.0.1:$((port + 1))/v3
export HPCDIRECT_UI_SERVICE=$service
export HPCDIRECT_UI_STATE=$state
export HPCDIRECT_UI_PICTURES=${CI_LOGS:-$PWD/.ui}

configure() {
    local word
    word=$(head -c 18 /dev/urandom | base64 | tr '+/' 'xy')
    install -d -m 700 "$state"
    "$python/bin/python" -m hpcdirect.tests.ui.content "$state/content"
    cat > "$state/people.json" <<JSON
{"password": "$word", "projects": ["lab", "other"], "people": [
 {"name": "alice", "project": "lab", "role": "member"},
 {"name": "carol", "project": "lab", "role": "reader"},
 {"name": "bob", "project": "other", "role": "member"}]}
JSON
    local account="auth_url = $HPCDIRECT_UI_KEYSTONE
auth_type = password
username = hpcdirect
password = $word
project_name = service
user_domain_id = default
project_domain_id = default"
    cat > "$state/hpcdirect.conf" <<CONF
[DEFAULT]
state_path = $state/service
key_file = $state/keys
log_file = $state/hpcdirect.log
enabled_backends = fake
enabled_runners = fake
[api]
host = 127.0.0.1
port = $((port + 2))
auth_strategy = keystone
[blueprints]
directories = $state/content
[database]
connection = sqlite:///$state/hpcdirect.sqlite
[keystone_authtoken]
www_authenticate_uri = $HPCDIRECT_UI_KEYSTONE
$account
[service_auth]
$account
CONF
}

alive() {
    local words
    [ -s "$state/pid" ] || return 1
    words=$(tr '\0' ' ' 2>/dev/null < "/proc/$(cat "$state/pid")/cmdline") \
        || return 1
    [[ "$words" == *hpcdirect-all-in-one* ]]
}

# shellcheck disable=SC2317  # the trap calls it
down() {
    status=$?
    if [ -n "${KEEP:-}" ]; then
        echo "left up: $HPCDIRECT_UI_PORTAL (alice, carol, bob, admin; the" \
            "password is in $state/people.json)"
        exit "$status"
    fi
    if alive; then
        kill "$(cat "$state/pid")"
        for _ in $(seq 100); do alive || break; sleep 0.1; done
    fi
    tools/portal.sh down "$state/portal"
    if [ "$status" != 0 ] && [ -n "${CI_LOGS:-}" ]; then
        cp "$state"/*.log "$state"/portal/*.out "$CI_LOGS/" 2>/dev/null || true
    fi
    rm -rf "$state"
    exit "$status"
}
trap down EXIT

began=$(date +%s)
mkdir -p "$HPCDIRECT_UI_PICTURES"
rm -f "$HPCDIRECT_UI_PICTURES"/*.{png,trace.zip}
[ -e "$state/hpcdirect.conf" ] || configure
HPCDIRECT_PORTAL_EDITABLE=1 HPCDIRECT_PORTAL_DARK=1 tools/portal.sh up \
    "$state/portal" "$cache" "$port" "$service" < "$state/people.json"
if ! alive; then
    setsid "$python/bin/hpcdirect-all-in-one" \
        --config-file "$state/hpcdirect.conf" > "$state/output" 2>&1 \
        < /dev/null &
    echo $! > "$state/pid"
fi
echo "the portal is up after $(($(date +%s) - began)) s"
"$python/bin/stestr" --test-path ./hpcdirect/tests/ui run --serial "$@"
