#!/usr/bin/env bash
# hpcdirect on one machine, from nothing to an MPI job; see --help.
set -euo pipefail

usage() {
    cat <<'TXT'
Usage: tools/quickstart.sh [--nodes N] [--blueprint NAME] [--name CLUSTER]
                           [--portal]
       tools/quickstart.sh down
       tools/quickstart.sh --help

Starts hpcdirect on this machine and makes an HPC cluster with it. Needs root,
Debian 12 or later, 2 GiB of memory and 3 GiB of disk.

  up (default)      install what is missing, start the service (127.0.0.1 only,
                    HTTP basic auth), create the cluster from the blueprint
                    through the public API, run an MPI job on it with sbatch.
                    Run again it finds what is there and is done in seconds.
  down              take away clusters, service, configuration and state.
                    Installed packages and the cache stay.

  --nodes N         compute nodes (default 2)
  --blueprint NAME  slurm (default) or single
  --name CLUSTER    the cluster's name (default demo)
  --portal          a Keystone and a Horizon as well, with the same cluster in
                    it; its address and login are told at the end

Where things are:
  /var/lib/hpcdirect     state: configuration, password, database, logs, nodes
  /var/cache/hpcdirect   cache: Python environment, node images, packages
  ~/.config/openstack/clouds.yaml   gains the cloud hpcdirect-local
TXT
}

action=up nodes=2 blueprint=slurm name=demo portal=''
while [ $# -gt 0 ]; do
    case $1 in
        --help|-h) usage; exit 0 ;;
        --nodes) nodes=${2:?--nodes wants a number}; shift ;;
        --blueprint) blueprint=${2:?--blueprint wants a name}; shift ;;
        --name) name=${2:?--name wants a name}; shift ;;
        --portal) portal=yes ;;
        up|down) action=$1 ;;
        *) echo "quickstart: I do not know '$1'; see --help" >&2; exit 1 ;;
    esac
    shift
done
case $nodes in
    ''|*[!0-9]*) echo "quickstart: --nodes wants a number, not '$nodes'" >&2; exit 1 ;;
esac
if [ "$(id -u)" != 0 ]; then
    echo "quickstart: run me as root; I make network namespaces, mounts and cgroups" >&2
    exit 1
fi

cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=tools/install.sh
. tools/install.sh

state=${HPCDIRECT_STATE:-/var/lib/hpcdirect}
cache=${HPCDIRECT_CACHE:-/var/cache/hpcdirect}
port=${HPCDIRECT_PORT:-9517}
venv=$cache/venv
# Blueprints and elements as installed: the folder of this script may go.
content=$venv/share/hpcdirect
# What runs need while they run; another installation has its own.
work=/dev/shm/hpcdirect-$(printf %s "$state" | sha256sum | head -c 8)
run=$state/quickstart
key=$HOME/.config/hpcdirect/id_ed25519
clouds=${HPCDIRECT_CLOUDS:-$HOME/.config/openstack/clouds.yaml}
began=$(date +%s)

say() { printf '%4ds  %s\n' "$(($(date +%s) - began))" "$*"; }
hpc() { "$venv/bin/openstack" --os-cloud hpcdirect-local hpc "$@"; }
alive() {
    # A pid that was given to another program is not ours, a zombie is gone.
    local words
    [ -s "$run/pid" ] || return 1
    words=$(cut -d' ' -f2,3 "/proc/$(cat "$run/pid")/stat" 2>/dev/null) || return 1
    [[ "$words" == '(hpcdirect-all-i) '[^Z] ]]
}
healthy() {
    "$venv/bin/python" - "$port" <<'PY' 2>/dev/null
import sys, urllib.request
urllib.request.urlopen(f'http://127.0.0.1:{sys.argv[1]}/healthcheck', timeout=2)
PY
}

configure() {
    if [ -s "$run/hpcdirect.conf" ]; then
        # One that an older release made named the folder of its script.
        sed -i "s|^directories = .*|directories = $content|" "$run/hpcdirect.conf"
        return
    fi
    install -d -m 700 "$run"
    local password
    password=$(head -c 18 /dev/urandom | base64 | tr '+/' 'xy')
    install -m 600 /dev/null "$run/password"
    echo "$password" > "$run/password"
    install -m 600 /dev/null "$run/users"
    "$venv/bin/python" - "$password" > "$run/users" <<'PY'
import bcrypt, sys
word = bcrypt.hashpw(sys.argv[1].encode(), bcrypt.gensalt(10)).decode()
print(f'demo:{word}:demo:member')
PY
    cat > "$run/hpcdirect.conf" <<CONF
[DEFAULT]
state_path = $state
key_file = $run/keys
log_file = $run/hpcdirect.log
enabled_backends = local
enabled_runners = ansible
enabled_sources = directory,package

[api]
host = 127.0.0.1
port = $port
auth_strategy = basic
users_file = $run/users

[ansible]
work_path = $work

[blueprints]
directories = $content

[database]
connection = sqlite:///$run/hpcdirect.sqlite

[local]
state_path = $state/local
cache_path = $cache
CONF
    chmod 600 "$run/hpcdirect.conf"
    if [ ! -s "$key" ]; then
        install -d -m 700 "$(dirname "$key")"
        ssh-keygen -q -t ed25519 -N '' -C hpcdirect-quickstart -f "$key"
    fi
    "$venv/bin/python" tools/clouds.py add "$clouds" "http://127.0.0.1:$port" demo "$password"
}

# The same people and project, in a Keystone; the service asks that from now on.
with_portal() {
    local keystone=http://127.0.0.1:$((port + 2))/v3 word
    [ -s "$run/password" ] || { echo "quickstart: an older release made this" \
        "state; take it away first: tools/quickstart.sh down" >&2; exit 1; }
    word=$(cat "$run/password")
    tools/portal.sh up "$state/portal" "$cache" $((port + 1)) \
        "http://127.0.0.1:$port" <<JSON
{"password": "$word", "projects": ["demo"],
 "people": [{"name": "demo", "project": "demo", "role": "member"}]}
JSON
    say "The portal is running"
    grep -q '^auth_strategy = basic' "$run/hpcdirect.conf" || return 0
    local account="auth_url = $keystone
auth_type = password
username = hpcdirect
password = $word
project_name = service
user_domain_id = default
project_domain_id = default"
    # All that gets to the service is on this machine, as before.
    sed -i -e 's|^auth_strategy = basic|auth_strategy = keystone|' \
        -e 's|^\[local\]|&\nallow_with_keystone = true|' \
        "$run/hpcdirect.conf"
    cat >> "$run/hpcdirect.conf" <<CONF

[keystone_authtoken]
www_authenticate_uri = $keystone
$account

[service_auth]
$account
CONF
    "$venv/bin/python" tools/clouds.py add "$clouds" "http://127.0.0.1:$port" \
        demo "$word" "$keystone"
    stop
}

stop() {
    alive || return 0
    local pid
    pid=$(cat "$run/pid")
    kill "$pid"
    for _ in $(seq 100); do alive || break; sleep 0.1; done
    ! alive || kill -9 "$pid"
}

start() {
    if alive && healthy; then
        say "hpcdirect is running (pid $(cat "$run/pid"))"
        return
    fi
    HOME=$HOME setsid "$venv/bin/hpcdirect-all-in-one" \
        --config-file "$run/hpcdirect.conf" \
        > "$run/output" 2>&1 < /dev/null &
    echo $! > "$run/pid"
    for _ in $(seq 150); do
        healthy && { say "hpcdirect is running (pid $(cat "$run/pid"), http://127.0.0.1:$port)"; return; }
        alive || break
        sleep 0.2
    done
    echo "quickstart: hpcdirect did not start:" >&2
    tail -n 20 "$run/output" "$run/hpcdirect.log" >&2 || true
    exit 1
}

create() {
    local parameters=()
    if hpc cluster show "$name" -f value -c status > "$run/status" 2>/dev/null; then
        case $(cat "$run/status") in
            ACTIVE) say "Cluster $name is there"; return ;;
            ERROR) say "Cluster $name failed before; going on from what is missing"
                   hpc cluster retry "$name" --wait --follow > /dev/null; return ;;
            *) say "Cluster $name is $(cat "$run/status"); waiting"
               hpc event list "$name" --follow > /dev/null; return ;;
        esac
    fi
    [ "$blueprint" = slurm ] && parameters=(--parameter "compute_count=$nodes")
    say "Creating cluster $name from blueprint $blueprint"
    hpc cluster create "$name" --blueprint "$blueprint" "${parameters[@]}" \
        --user "demo,key=$key.pub,sudo" --wait --follow > /dev/null
    say "Cluster $name is ACTIVE"
}

job() {
    local id
    say "Submitting an MPI job across $nodes compute nodes with sbatch"
    tar -C "blueprints/$blueprint/examples" -c . \
        | hpc cluster ssh "$name" -- 'mkdir -p mpi && tar -x -C mpi'
    id=$(hpc cluster ssh "$name" -- \
        "cd mpi && sbatch --parsable --nodes=$nodes --output=job-%j.out job.sh")
    # One ssh that waits on the head costs less than asking again and again.
    hpc cluster ssh "$name" -- "
        for _ in \$(seq 600); do
            squeue -h -j $id 2>/dev/null | grep -q . || break; sleep 0.2
        done
        cat mpi/job-$id.out
        scontrol show job $id | grep -q 'JobState=COMPLETED'" \
        || { echo "quickstart: job $id did not end well; see above" >&2; exit 1; }
    say "Job $id is COMPLETED"
}

what_now() {
    local os='openstack --os-cloud hpcdirect-local'
    cat <<TXT

What now:
  $os hpc cluster list
  $os hpc node list $name
  $os hpc cluster ssh $name
TXT
    [ "$blueprint" = slurm ] && cat <<TXT
  $os hpc cluster scale $name --group compute=+1 --wait --follow
TXT
    cat <<TXT
  $os hpc run list --cluster $name         (then: hpc run log RUN)
  $os hpc cluster delete $name --wait
  tools/quickstart.sh down
TXT
    [ -z "$portal" ] || cat <<TXT

The portal:   http://127.0.0.1:$((port + 1))/project/hpc/
  user demo, password $(cat "$run/password")
TXT
    [ "$(command -v openstack)" = /usr/local/bin/openstack ] \
        || [ ! -e /usr/local/bin/openstack ] || hash -r
    command -v openstack > /dev/null || echo "(openstack is $venv/bin/openstack)"
}

up() {
    install_packages run
    install -d "$cache"
    install_python "$venv" '.[service,client]'
    say "Packages are there"
    configure
    # On PATH when no other openstack is; a link into a cache that has gone
    # is none.
    local link=/usr/local/bin/openstack
    if ! command -v openstack > /dev/null && [ ! -e "$link" ]; then
        ln -sf "$venv/bin/openstack" "$link"
    fi
    [ -z "$portal" ] || with_portal
    start
    create
    [ ! -d "blueprints/$blueprint/examples" ] || job
    what_now
}

down() {
    if alive && healthy; then
        for cluster in $(hpc cluster list -f value -c name 2>/dev/null); do
            say "Deleting cluster $cluster"
            hpc cluster delete "$cluster" --wait > /dev/null 2>&1 || true
        done
    fi
    if alive; then
        stop
        say "hpcdirect has stopped"
    fi
    [ ! -d "$state/portal" ] || tools/portal.sh down "$state/portal"
    # What a service that was killed could not take away itself; the cache may
    # have gone before.
    [ ! -d "$state/local" ] || [ -x "$venv/bin/python" ] \
        || install_python "$venv" '.[service,client]'
    if [ -x "$venv/bin/python" ]; then
        "$venv/bin/python" -m hpcdirect.backends.local sweep \
            --state "$state/local" --cache "$cache" || true
        [ ! -e "$clouds" ] || "$venv/bin/python" tools/clouds.py remove "$clouds"
    fi
    [ "$(readlink /usr/local/bin/openstack)" != "$venv/bin/openstack" ] \
        || rm -f /usr/local/bin/openstack
    grep -qs 'hpcdirect-quickstart$' "$key.pub" && rm -f "$key" "$key.pub"
    rmdir "$(dirname "$key")" 2>/dev/null || true
    rm -rf --one-file-system "$state" "$work"
    # Others may have machines here, and then they need it.
    compgen -G '/sys/class/net/hpcd*' > /dev/null || rm -f /run/hpcdirect-network.lock
    say "All is gone but installed packages and the cache in $cache"
}

"$action"
