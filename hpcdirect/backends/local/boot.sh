#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
# Starts a local machine and starts it again each time it reboots.
#   boot.sh start PYTHON ROOT NAME SPACE GROUP...   on the host; returns
#   boot.sh keep PYTHON ROOT NAME SPACE GROUP       as long as it is on
#   boot.sh join NAME                               as its first process
#   boot.sh enter NAME                              in its namespaces
# "start" enters the control groups first, so that everything of the machine
# is in them from its first instruction; until then its standard input is a
# lock of who starts it (alone.py). GROUP is its folder in the unified
# hierarchy, others are of version 1.
set -eu
action=$1
shift

if [ "$action" = start ]; then
    python=$1 root=$2 name=$3 space=$4 group=$5
    shift 5
    # Not in the group itself: systemd hands controllers down to groups below
    # it, and the kernel refuses that where processes are.
    mkdir -p "$group/keeper"
    echo $$ > "$group/keeper/cgroup.procs"
    for old in "$@"; do
        echo $$ > "$old/cgroup.procs"
    done
    exec setsid --fork sh "$0" keep "$python" "$root" "$name" "$space" \
        "$group" < /dev/null
fi

if [ "$action" = keep ]; then
    # The shell would say of itself that a child of it died.
    exec 2> /dev/null
    # The kernel tells how init ended: by SIGHUP it rebooted, by SIGINT it
    # was turned off.
    while :; do
        began=$(date +%s) code=0
        "$1" -I -S "${0%.sh}.py" init "$2" "$3" "$4" "$5" 2>&1 || code=$?
        case $code in
            129) ;;
            130) echo 'It was turned off from within.'; exit 0 ;;
            0) echo 'Its init process ended by itself.'; exit 1 ;;
            *) if [ "$code" -gt 128 ]; then
                   echo "Its init process was ended by signal $((code - 128))."
               else
                   echo "Its init process ended with exit code $code."
               fi
               exit 1 ;;
        esac
        # One that reboots at once, for ever, must not keep the host busy.
        [ "$(date +%s)" != "$began" ] || sleep 1
    done
fi

# From here on it is root of the machine, and nobody on the host.
if [ "$action" = join ]; then
    echo 0 >&8
    exec 8>&-
    exec unshare --cgroup sh /dev/fd/9 enter "$1"
fi

name=$1
mount --rbind /tmp /tmp
cd /tmp
hostname "$name"
mount -t proc -o nosuid,nodev,noexec proc proc
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
mkdir -p .old
pivot_root . .old
umount -l /.old
rmdir /.old
exec 9<&-
exec env -i container=hpcdirect PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --show-status=false
