#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
# Starts a local machine.
#   boot.sh start ROOT NAME NETNS CGROUP...   on the host
#   boot.sh enter ROOT NAME                   in the machine's namespaces
# "start" enters the control groups first, so that everything of the machine
# is in them from its first instruction, then makes the namespaces.
set -eu
action=$1 root=$2 name=$3
shift 3

if [ "$action" = start ]; then
    space=$1
    shift
    for group in "$@"; do
        echo $$ > "$group/cgroup.procs"
    done
    exec setsid --fork nsenter --net="/run/netns/$space" \
        unshare --mount --uts --ipc --pid --cgroup --fork \
        --kill-child=SIGKILL --propagation private \
        sh "$0" enter "$root" "$name"
fi

# Bound recursively, or the volumes below it would stay behind.
mount --rbind "$root" "$root"
cd "$root"
hostname "$name"
mount -t proc proc proc
# What is set there holds for the whole host; its network is its own.
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,ro,nosuid,nodev,noexec proc/sys
if [ -e proc/sysrq-trigger ]; then
    mount --bind proc/sysrq-trigger proc/sysrq-trigger
    mount -o remount,bind,ro proc/sysrq-trigger
fi
mount -t tmpfs -o mode=755,nosuid tmpfs dev
for device in null zero full random urandom tty fuse; do
    [ -e "/dev/$device" ] || continue
    : > "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mount -t tmpfs -o mode=755 tmpfs run
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mkdir -p .old
pivot_root . .old
umount -l /.old
rmdir /.old
exec env -i container=hpcdirect PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --show-status=false
