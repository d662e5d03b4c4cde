# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      https://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The network of local clusters: a bridge and a /24 each, and no way out.

The host is ``.1`` of each /24, so the conductor reaches the machines. They
have no default route; what they send to the host is dropped but for replies
and the package mirror, and nothing is forwarded to or from them, so one
cluster's machines do not reach another's.
"""

from __future__ import annotations

from collections.abc import Iterable
import contextlib
import hashlib
import ipaddress
import json
import os
import pathlib
import sys

from hpcdirect.backends import base
from hpcdirect.backends.local import alone
from hpcdirect.backends.local import boot
from hpcdirect.backends.local.records import Record
from hpcdirect.exception import BackendError

#: Where machines find the package mirror, on every bridge.
MIRROR = '169.254.77.1'
#: Every interface of ours on the host begins with it.
PREFIX = 'hpcd'
_TAG = 'hpcdirect'
_NET = pathlib.Path('/sys/class/net')
_LOCK = pathlib.Path('/run/hpcdirect-network.lock')

_INOTIFY = pathlib.Path('/proc/sys/fs/inotify/max_user_instances')
# systemd and sshd take about five of them for each machine.
_INOTIFY_WANTED = 8192

# In one transaction. What a bridge carries from one machine of a cluster to
# another passes "forward" too where net.bridge.bridge-nf-call-iptables is on:
# it comes from that bridge and goes to that bridge. Ports are added: another
# service on this machine may have its mirror at another one.
_RULES = """\
table inet hpcdirect {{
    set ports {{ type inet_service; }}
    set inside {{ type ifname . ifname; }}
    chain input {{
        type filter hook input priority -10; policy accept;
    }}
    chain forward {{
        type filter hook forward priority -10; policy accept;
    }}
}}
flush chain inet hpcdirect input
flush chain inet hpcdirect forward
add element inet hpcdirect ports {{ {port} }}
add element inet hpcdirect inside {{ {inside} }}
table inet hpcdirect {{
    chain input {{
        iifname != "{prefix}*" accept
        ct state established,related accept
        ip daddr {mirror} tcp dport @ports accept
        fib daddr . iif type != local drop
        icmp type echo-request accept
        drop
    }}
    chain forward {{
        iifname . oifname @inside accept
        iifname "{prefix}*" drop
        oifname "{prefix}*" drop
    }}
}}
"""


def run(command: list[str], given: str = '', check: bool = True) -> str:
    """Run a program of the system; what it printed.

    :raises BackendError: it failed, with what it said.
    """
    try:
        done = alone.run(command, input=given)
    except OSError as exc:
        raise BackendError(plugin='local', reason=(
            f'{command[0]} cannot be run: {exc.strerror}.')) from exc
    if done.returncode and check:
        raise BackendError(plugin='local', reason=(
            f'{" ".join(command[:4])}: {done.stderr.strip()}'))
    return done.stdout


def bridge(cluster_id: str) -> str:
    """The name of a cluster's bridge."""
    return f'{PREFIX}{_short(cluster_id)}'


def of(request: base.InfraRequest, record: Record | None) -> base.Networks:
    """The one network of a cluster, as far as it is written down."""
    return (base.Network(bridge(request.cluster_id), tuple(request.groups),
                         (record.subnet,) if record else ()),)


def port(cluster_id: str, address: str) -> str:
    """The name of the host's end of a machine's cable."""
    return f'{PREFIX}{_short(cluster_id)[:7]}-' + address.rpartition('.')[2]


def _short(cluster_id: str) -> str:
    # Of all of it: ids given by hand may begin alike.
    return hashlib.sha256(cluster_id.encode()).hexdigest()[:8]


def bridges() -> list[str]:
    """The bridges of ours that are there, whoever made them."""
    return [name for name in _links() if '-' not in name]


def tagged(state_path: str) -> list[str]:
    """Ids of the clusters whose bridges say they are of that state path."""
    words = [_alias(name).split(' ', 2) for name in bridges()]
    return [word[1] for word in words
            if word[0] == _TAG and word[2:] == [state_path]]


def parts(cluster_id: str) -> list[tuple[str, str]]:
    """What is there of a cluster's network: kind and name of each."""
    spaces = pathlib.Path('/run/netns').glob(f'{bridge(cluster_id)}-*')
    return [('network', name) for name in _links()
            if name == bridge(cluster_id)
            or name.startswith(port(cluster_id, ''))] + [
        ('namespace', space.name) for space in spaces]


def _links() -> list[str]:
    return sorted(path.name for path in _NET.glob(f'{PREFIX}*'))


def _alias(name: str) -> str:
    with contextlib.suppress(OSError):
        return (_NET / name / 'ifalias').read_text().strip()
    return ''


def choosing() -> contextlib.AbstractContextManager[None]:
    """Nobody else on this machine chooses a subnet meanwhile."""
    return alone.holding(_LOCK)


def free_subnet(network: str, taken: Iterable[str]) -> str:
    """A /24 of *network* that nothing on this machine uses.

    :param taken: subnets that are promised to other clusters.
    :raises BackendError: there is none left.
    """
    used = [ipaddress.ip_network(text) for text in taken]
    for link in json.loads(run(['ip', '-j', '-4', 'addr'])):
        used += [ipaddress.ip_network(
            f'{entry["local"]}/{entry["prefixlen"]}', strict=False)
            for entry in link.get('addr_info', ())]
    for subnet in ipaddress.ip_network(network).subnets(new_prefix=24):
        if not any(subnet.overlaps(other) for other in used):
            return str(subnet)
    raise BackendError(plugin='local', reason=(
        f'Every /24 of {network} is in use; delete a cluster or set another '
        '[local] network.'))


def up(cluster_id: str, subnet: str, mirror_port: int, state_path: str
       ) -> None:
    """The cluster's bridge, and the rules that keep machines in."""
    name, there = bridge(cluster_id), bridges()
    run(['nft', '-f', '-'], _RULES.format(
        prefix=PREFIX, mirror=MIRROR, port=mirror_port, inside=', '.join(
            f'"{one}" . "{one}"' for one in {name, *there})))
    _raise_inotify()
    if name in there:
        return
    host = str(ipaddress.ip_network(subnet)[1])
    try:
        run(['ip', '-batch', '-'], f'link add {name} type bridge\n'
            f'addr add {host}/24 dev {name}\n'
            f'addr add {MIRROR}/32 dev {name}\n'
            f'link set {name} up\n')
        (_NET / name / 'ifalias').write_text(
            f'{_TAG} {cluster_id} {state_path}')
    except (BackendError, OSError):
        run(['ip', 'link', 'del', name], check=False)
        raise


def down(cluster_id: str) -> None:
    """Take the network away, and with the last bridge everything else.

    For one who holds :func:`choosing`.
    """
    for kind, name in parts(cluster_id):
        run(['ip', 'netns', 'del', name] if kind == 'namespace'
            else ['ip', 'link', 'del', name], check=False)
    if not bridges():
        clear()
    else:
        name = bridge(cluster_id)
        run(['nft', 'delete', 'element', 'inet', 'hpcdirect', 'inside',
             f'{{ "{name}" . "{name}" }}'], check=False)


def clear() -> None:
    """Take the rules away and put the system's settings back."""
    run(['nft', 'delete', 'table', 'inet', 'hpcdirect'], check=False)
    _restore_inotify()


def connect(cluster_id: str, space: str, address: str) -> None:
    """A network namespace with eth0, cabled to the cluster's bridge.

    It belongs to a user namespace of its own: see :mod:`boot`.
    """
    host_end = port(cluster_id, address)
    run([sys.executable, '-I', '-S', boot.__file__, 'space', space])
    run(['ip', '-batch', '-'],
        f'link add {host_end} type veth peer name eth0 netns {space}\n'
        f'link set {host_end} master {bridge(cluster_id)} up\n')
    run(['ip', '-n', space, '-batch', '-'],
        f'link set lo up\naddr add {address}/24 dev eth0\n'
        f'link set eth0 up\nroute add {MIRROR}/32 dev eth0\n')


def disconnect(cluster_id: str, space: str, address: str) -> None:
    """Take cable and namespace away; gone already is fine."""
    # A namespace goes in its own time: the cable's name is freed first.
    cable = port(cluster_id, address)
    if (_NET / cable).exists():
        run(['ip', 'link', 'del', cable], check=False)
    if os.path.lexists(f'/run/netns/{space}'):
        run(['ip', 'netns', 'del', space], check=False)


def _kept() -> pathlib.Path:
    return pathlib.Path('/run/hpcdirect-inotify')


def _raise_inotify() -> None:
    """Let the kernel take more machines; what was set is remembered."""
    before = _INOTIFY.read_text().strip()
    if int(before) < _INOTIFY_WANTED:
        if not _kept().exists():
            _kept().write_text(before)
        _INOTIFY.write_text(str(_INOTIFY_WANTED))


def _restore_inotify() -> None:
    if _kept().exists():
        _INOTIFY.write_text(_kept().read_text())
        _kept().unlink()
