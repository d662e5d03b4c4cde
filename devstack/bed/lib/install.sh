#!/usr/bin/env bash
# Sourced by bed: what is installed and made outside of the bed's namespaces,
# where there is a network.

# venv: print the virtual environment's folder, named by what is to be in it.
venv() {
    local digest
    digest=$(cat "$BED_CHECKOUT/devstack/bed/requirements.txt" \
        <(readlink -f "$BED_PYTHON/bin/python") | sha256sum | cut -c1-16)
    echo "$BED_CACHE/venv-$digest"
}

install_bed() {
    [ -x "$BED_PYTHON/bin/python" ] \
        || fail "$BED_PYTHON is no virtual environment with hpcdirect; set BED_PYTHON"
    # shellcheck source=tools/install.sh
    (. tools/install.sh; install_packages openstack)
    install_venv
    install_hardware_type
    [ -z "${BED_PORTAL:-}" ] || install_portal
    # Machines share this kernel: what it lacks they lack.
    modprobe --quiet --all nfsv4 nfsd 2> /dev/null || true
    "$BED_PYTHON/bin/python" devstack/bed/lib/image.py "$BED_PATH/data/image" \
        "$BED_PROVIDER"
}

install_venv() {
    local venv
    venv=$(venv)
    [ ! -e "$venv/.complete" ] || return 0
    say "installing OpenStack into $venv"
    mkdir -p "$BED_CACHE"
    exec 8> "$BED_CACHE/.lock"
    flock 8
    if [ ! -e "$venv/.complete" ]; then
        rm -rf "$venv"
        # The Python of hpcdirect: uwsgi serves both.
        "$BED_PYTHON/bin/python" -m venv "$venv"
        "$venv/bin/python" -m pip install -qq --disable-pip-version-check uv
        "$venv/bin/uv" pip install -q --python "$venv/bin/python" \
            --compile-bytecode -r devstack/bed/requirements.txt
        touch "$venv/.complete"
    fi
    exec 8>&-
}

# Beds of other checkouts may be at it.
install_portal() {
    mkdir -p "$BED_CACHE"
    flock "$BED_CACHE/.portal.lock" tools/portal.sh install "$BED_CACHE"
}

# The bed's own copy: the environment is shared by beds of other checkouts.
install_hardware_type() {
    local source=$BED_PATH/data/local-metal venv
    venv=$(venv)
    rm -rf "$source"
    mkdir -p "$source"
    cp -r devstack/local-metal/{pyproject.toml,local_metal} "$source"
    # It leaves a lock file in the folder for temporary files.
    TMPDIR=$source "$venv/bin/uv" pip install -q --python "$venv/bin/python" --no-deps \
        --no-build-isolation --reinstall --target "$source/installed" "$source"
}
