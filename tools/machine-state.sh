#!/usr/bin/env bash
# Print what quickstart.sh could leave behind, to be compared by diff:
#   tools/machine-state.sh > before; tools/quickstart.sh; tools/quickstart.sh down
#   tools/machine-state.sh | diff before -
# Installed packages and the cache (/var/cache/hpcdirect) are left out.
set -uo pipefail

section() { printf '== %s\n' "$1"; }

section processes
# shellcheck disable=SC2009
ps -eo stat=,args= | awk '$1 !~ /^Z/ {$1 = ""; print}' | grep -E 'hpcdirect|systemd --show-status|sshd: .*\[listener\]|slurm|munged|ansible' \
    | grep -v -E 'grep|machine-state' | sort
section mounts
awk '{print $2, $3}' /proc/mounts | sort
section 'network namespaces'
ip netns list | awk '{print $1}' | sort
section links
ip -o link show | awk -F': ' '{print $2}' | sort
section addresses
ip -o addr show | awk '{print $2, $4}' | sort
section routes
ip route show | sort
section 'nft rules'
nft list ruleset 2>/dev/null
section cgroups
find /sys/fs/cgroup -type d 2>/dev/null | grep hpcdirect | sort
section sysctls
sysctl -a 2>/dev/null | grep -E '^(fs\.inotify\.max|net\.ipv4\.(ip_forward|conf\.all\.(forwarding|rp_filter))|net\.bridge)' | sort
section files
for folder in /var/lib/hpcdirect /run /dev/shm /etc/hpcdirect /etc/netns \
    "$HOME/.config" /usr/local/bin /tmp; do
    [ -e "$folder" ] || continue
    # Sockets and locks of other programs come and go.
    find "$folder" -xdev \( -type f -o -type d -o -type l \) 2>/dev/null \
        | grep -v -E '^/(run/(lock|user|utmp|ldconfig|motd|initctl)|tmp/(bash_|\.|tmp\.))' | sort
done
section clouds
cat "${HPCDIRECT_CLOUDS:-$HOME/.config/openstack/clouds.yaml}" 2>/dev/null
exit 0
