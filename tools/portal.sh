#!/usr/bin/env bash
# Keystone and Horizon with our dashboard, on this machine; see --help.
set -euo pipefail

usage() {
    cat <<'TXT'
Usage: tools/portal.sh install CACHE
       tools/portal.sh up STATE CACHE PORT SERVICE_URL < PEOPLE
       tools/portal.sh down STATE

A portal to look at and to test with, not one for a site: a Keystone on SQLite
and Horizon, on 127.0.0.1 only, of packages that go to CACHE/portal.

  install   put packages, our dashboard and its style sheets there
  up        install, start Keystone on PORT+1 and Horizon on PORT, and on
            PORT+3 one that is dark if HPCDIRECT_PORTAL_DARK is set. PEOPLE is
            JSON: {"password", "projects": [NAME],
            "people": [{"name", "project", "role"}]}; a project's id is its
            name. The service at SERVICE_URL goes into the catalogue; it signs
            in as "hpcdirect" of the project "service".
  down      end both; what they kept is in STATE
TXT
}

[ $# -ge 2 ] || { usage; [ "${1:-}" = --help ]; exit; }
action=$1
dark=${HPCDIRECT_PORTAL_DARK:-}
themes="default ${dark:+dark}"
here=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)

prepare() {
    local cache=$1 venv=$1/portal stamp settings
    cd "$here"
    # shellcheck source=tools/install.sh
    . tools/install.sh
    install_python "$venv" ${HPCDIRECT_PORTAL_EDITABLE:+-e} '.[dashboard]' \
        -r portal-requirements.txt \
        ${HPCDIRECT_PORTAL_STACKS:+-r benchmarks/portal-requirements.txt}
    stamp=$(cat "$venv/.stamp" <(echo "$themes") <(find hpcdirect/dashboard tools/portal -type f \
        ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum) | sha256sum)
    [ "$(cat "$venv/.portal" 2>/dev/null)" != "$stamp" ] || return 0
    echo 'Preparing the style sheets of Horizon'
    settings=$(echo "$venv"/lib/python3*/site-packages/openstack_dashboard/local)
    rm -f "$settings"/enabled/_25*.py
    cp hpcdirect/dashboard/enabled/_25*.py "$settings/enabled/"
    # Horizon's pages of stacks, which a benchmark looks at beside ours.
    [ -z "${HPCDIRECT_PORTAL_STACKS:-}" ] \
        || cp "$settings"/../../heat_dashboard/enabled/_16[0-9]*.py \
            "$settings/enabled/"
    cp tools/portal/local_settings.py "$settings/"
    rm -rf "$venv/static"
    for theme in $themes; do
        export HPCDIRECT_PORTAL_THEME=$theme
        manage "$venv" collectstatic --noinput -v 0
        manage "$venv" compress --force -v 0 > /dev/null
    done
    echo "$stamp" > "$venv/.portal"
}

# manage VENV COMMAND...: one of Django's, with a state that is thrown away.
manage() {
    local venv=$1 state
    shift
    state=$(mktemp -d)
    HPCDIRECT_PORTAL_STATE=$state HPCDIRECT_PORTAL_KEYSTONE=http://127.0.0.1 \
        DJANGO_SETTINGS_MODULE=openstack_dashboard.settings \
        "$venv/bin/python" -m django "$@" 2> "$state/errors" \
        || { cat "$state/errors" >&2; rm -rf "$state"; return 1; }
    rm -rf "$state"
}

configure_keystone() {
    install -d -m 700 "$state/fernet" "$state/credential" "$state/sessions"
    cat > "$state/keystone.conf" <<CONF
[DEFAULT]
log_file = $state/keystone.log
[database]
connection = sqlite:///$state/keystone.sqlite
[fernet_tokens]
key_repository = $state/fernet
[credential]
key_repository = $state/credential
[identity]
password_hash_rounds = 4
CONF
    local manage=("$venv/bin/python" -W ignore "$venv/bin/keystone-manage" 
                  --config-file "$state/keystone.conf")
    if [ ! -e "$state/made" ]; then
        rm -f "$state/keystone.sqlite"
        "${manage[@]}" fernet_setup --keystone-user root --keystone-group root
        "${manage[@]}" credential_setup --keystone-user root \
            --keystone-group root
        "${manage[@]}" db_sync
    fi
    "$venv/bin/python" -W ignore "$here/tools/portal/people.py" "$state/keystone.conf" \
        "$keystone" "$service" \
        || { tail -n 5 "$state/keystone.log" >&2; exit 1; }
    touch "$state/made"
}

alive() {
    local words
    [ -s "$1" ] || return 1
    words=$(tr '\0' ' ' 2>/dev/null < "/proc/$(cat "$1")/cmdline") || return 1
    [[ "$words" == *tools/portal/serve.py* ]]
}

# start NAME PORT PATH: serve it, and come back when PATH is answered.
start() {
    local pid=$state/$1.pid
    if ! alive "$pid"; then
        OS_KEYSTONE_CONFIG_FILES=$state/keystone.conf \
            HPCDIRECT_PORTAL_STATE=$state HPCDIRECT_PORTAL_KEYSTONE=$keystone \
            setsid "$venv/bin/python" -W ignore "$here/tools/portal/serve.py" "$1" "$2" \
            > "$state/$1.out" 2>&1 < /dev/null &
        echo $! > "$pid"
    fi
    for _ in $(seq 300); do
        answers=0
        "$venv/bin/python" - "http://127.0.0.1:$2$3" <<'PY' 2>/dev/null \
            || answers=$?
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], timeout=60)
except urllib.error.HTTPError:
    sys.exit(2)
PY
        [ "$answers" != 0 ] || return 0
        if [ "$answers" = 2 ] || ! alive "$pid"; then break; fi
        sleep 0.2
    done
    echo "portal: $1 did not start:" >&2
    tail -n 20 "$state/$1.out" >&2
    exit 1
}

up() {
    venv=$cache/portal keystone=http://127.0.0.1:$((port + 1))/v3
    install -d -m 700 "$state"
    configure_keystone
    start keystone $((port + 1)) /v3
    HPCDIRECT_PORTAL_THEME=default start horizon "$port" /auth/login/
    [ -z "$dark" ] || HPCDIRECT_PORTAL_THEME=dark \
        start horizon-dark $((port + 3)) /auth/login/
}

down() {
    local name
    for name in horizon horizon-dark keystone; do
        if alive "$state/$name.pid"; then
            kill "$(cat "$state/$name.pid")"
            for _ in $(seq 100); do
                alive "$state/$name.pid" || break
                sleep 0.1
            done
        fi
        rm -f "$state/$name.pid"
    done
}

case $action in
    install) prepare "$(realpath -m "$2")" ;;
    up)
        state=$(realpath -m "$2") cache=$(realpath -m "$3") port=$4 service=$5
        (prepare "$cache")
        up ;;
    down) state=$2; down ;;
    *) usage >&2; exit 1 ;;
esac
