#!/usr/bin/env bash
# Sourced by quickstart.sh and test.sh: what they install, in one place.

# install_packages [PROFILE]: Debian packages of bindep.txt that are missing.
install_packages() {
    local profile=${1:-} missing=() name tags
    while read -r name tags; do
        case "$name" in ''|\#*) continue ;; esac
        # A line with a second tag is for that profile only.
        if [[ "$tags" == *' '* && "$tags" != *" ${profile:-none}]" ]]; then
            continue
        fi
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null \
            | grep -q 'ok installed' || missing+=("$name")
    done < bindep.txt
    [ "${#missing[@]}" = 0 ] && return
    if [ "$(id -u)" != 0 ]; then
        echo "These packages are missing; install them as root: ${missing[*]}" >&2
        exit 1
    fi
    echo "Installing ${missing[*]}"
    # A database server that a package would start is none of ours to start.
    local policy=/usr/sbin/policy-rc.d made=''
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod +x "$policy"
        made=yes
    fi
    # Somebody else may be installing as well; then it waits for its turn.
    apt-get -o DPkg::Lock::Timeout=600 update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 \
        install -qq -y \
        --no-install-recommends "${missing[@]}" > /dev/null
    [ -z "$made" ] || rm -f "$policy"
}

# What an installation is made of: where it is linked to its sources, the place
# of those; otherwise what they say, so that they may go.
sources() {
    case " $* " in
        *' -e '*) echo "$PWD" ;;
        *) find hpcdirect blueprints elements etc setup.* pyproject.toml \
               -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum ;;
    esac
}

# install_python VENV ARGUMENTS...: a virtual environment with pinned releases.
install_python() {
    local venv=$1 python stamp
    shift
    python=${HPCDIRECT_PYTHON:-$(command -v python3.11 || command -v python3)}
    # Installed already, of just these files: nothing to do.
    stamp=$(cat constraints.txt requirements.txt setup.cfg ./*-requirements.txt \
        | cat - <(sources "$@"; echo "$python $*") | sha256sum | cut -d' ' -f1)
    [ "$(cat "$venv/.stamp" 2>/dev/null)" = "$stamp" ] && return
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    echo "Installing Python packages into $venv"
    if ! git rev-parse HEAD > /dev/null 2>&1; then
        export PBR_VERSION=${PBR_VERSION:-0.1.0}
    fi
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check \
        --upgrade -c constraints.txt pip 'setuptools>=77,<81' wheel pbr uv
    # uv takes a third of pip's time, but knows nothing of pip.conf, in which
    # a site may say where its packages are. An older build of ours, which
    # setuptools leaves in build, would go into the new one.
    rm -rf build
    "$venv/bin/uv" pip install -q --compile-bytecode \
            --no-build-isolation-package hpcdirect \
            --reinstall-package hpcdirect --refresh-package hpcdirect \
            --python "$venv/bin/python" -c constraints.txt "$@" \
        || "$venv/bin/python" -m pip install -qq --disable-pip-version-check \
            -c constraints.txt "$@"
    # What is left in the tree would tell of the commands of an older state.
    rm -rf build hpcdirect.egg-info
    echo "$stamp" > "$venv/.stamp"
}
