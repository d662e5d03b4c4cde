#!/usr/bin/env bash
# Sourced by bed: the network and mount namespace that all of it lives in.
#
# A process that does nothing, the keeper, holds both open. The mounts are the
# bed's own so that /sys shows its network devices, /run/netns its machines,
# and everything mounted is gone with it.

cgroups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
export BED_CGROUP=$cgroups/$BED_NAME
inotify=/proc/sys/fs/inotify/max_user_instances

keeper() { head -n 1 "$BED_CGROUP/keeper/cgroup.procs" 2> /dev/null || true; }
is_there() { [ -n "$(keeper)" ]; }

# inside COMMAND...: run it in the bed's namespaces.
inside() {
    local keeper
    keeper=$(keeper)
    # A command of the bed's may be run by one that is in it already.
    if [ "/proc/self/ns/mnt" -ef "/proc/$keeper/ns/mnt" ]; then
        "$@"
        return
    fi
    nsenter --net="/run/netns/$BED_NAME" --mount="/proc/$keeper/ns/mnt" \
        --wdns="$PWD" "$@"
}

make_namespace() {
    ! is_there || return 0
    [ -n "$cgroups" ] || fail 'there is no unified cgroup hierarchy'
    say 'making the namespaces'
    mkdir -p "$BED_CGROUP"/{keeper,services,machines} \
        "$BED_PATH"/{etc,log,run,data} "$BED_PATH/log/machines"
    if ! [ -e "/run/netns/$BED_NAME" ]; then
        ip netns add "$BED_NAME"
        ip -n "$BED_NAME" -batch - <<IP
link set lo up
link add br-prov type bridge
addr add $(gateway)/${BED_PROVIDER#*/} dev br-prov
link set br-prov up
IP
    fi
    # systemd and sshd of each machine take some.
    if [ "$(cat $inotify)" -lt 8192 ]; then
        cat $inotify > "$BED_PATH/run/inotify"
        echo 8192 > $inotify
    fi
    local ready
    read -r ready < <(keep 9>&-) || true
    [ "${ready:-}" = ready ] || fail 'the namespaces cannot be made'
}

# gateway: print the first address of the provider network.
gateway() {
    "$BED_PYTHON/bin/python" -c \
        'import ipaddress, sys; print(ipaddress.ip_network(sys.argv[1])[1])' \
        "$BED_PROVIDER"
}

# keep: become the keeper; prints "ready" when the mounts are made.
keep() {
    # shellcheck disable=SC2016  # expanded by the inner shell
    setsid nsenter --net="/run/netns/$BED_NAME" \
        unshare --mount --propagation private sh -euc '
            echo $$ > "$1/keeper/cgroup.procs"
            # A new sysfs shows this namespace; it would hide the cgroups.
            mount --rbind /sys/fs/cgroup "$2"
            mount -t sysfs sysfs /sys
            mount --rbind "$2" /sys/fs/cgroup
            umount -l "$2"
            mount -t tmpfs -o mode=755 tmpfs /run/netns
            # The way out, for the package mirror.
            : > /run/netns/outside
            mount --no-canonicalize --bind /proc/self/fd/7 /run/netns/outside
            echo ready
            exec sleep infinity > /dev/null 2>&1 7<&-
        ' sh "$BED_CGROUP" "$BED_PATH/run" < /dev/null 7< /proc/self/ns/net
}

take_down() {
    say "taking the bed $BED_NAME away"
    local state=$BED_PATH/data/hpcdirect/local
    # The machines of hpcdirect's local backend live beside the bed's.
    if is_there && [ -d "$state" ]; then
        inside "$BED_PYTHON/bin/python" -m hpcdirect.backends.local sweep \
            --state "$state" || true
    fi
    if [ -d "$BED_CGROUP" ]; then
        echo 1 > "$BED_CGROUP/cgroup.kill"
        while grep -q 'populated 1' "$BED_CGROUP/cgroup.events"; do
            sleep 0.05
        done
        find "$BED_CGROUP" -depth -type d -exec rmdir {} +
    fi
    ! [ -e "/run/netns/$BED_NAME" ] || ip netns del "$BED_NAME"
    if [ -s "$BED_PATH/run/inotify" ]; then
        cat "$BED_PATH/run/inotify" > $inotify
    fi
    rm -rf --one-file-system -- "$BED_PATH" "/dev/shm/$BED_NAME"
    rmdir --ignore-fail-on-non-empty /var/lib/hpcdirect-bed 2> /dev/null || true
    rm -f "/run/lock/hpcdirect-bed-$BED_NAME.lock"
    say 'nothing is left but the cache'
}
