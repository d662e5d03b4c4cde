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

"""What stands in the way of local machines: of any, and of those asked for.

What comes in names files, mount points and packages of the host that root
handles, so it is looked at here whatever was looked at before.
"""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses
import os
import pathlib
import re
import shutil
from typing import Any

from oslo_config import cfg
import psutil

from hpcdirect.backends import base
from hpcdirect.backends.local import cgroups
from hpcdirect.exception import Finding

#: Machines that a cluster has addresses for: .1 is the host, and the first
#: ten are left to those who need a fixed one.
FIRST_ADDRESS = 10
ADDRESSES = 255 - FIRST_ADDRESS

_PROGRAMS = ('ip', 'nft', 'unshare', 'setsid', 'mount', 'umount',
             'mmdebstrap', 'chroot', 'apt-get', 'apt-config')
_SPACES = ('mnt', 'uts', 'ipc', 'pid', 'cgroup', 'net', 'user')
_LIMITS = {'memory_mib': (128, 1 << 20), 'pids': (64, 1 << 20),
           'cpus': (0, 4096)}
_KNOWN = ', '.join(['packages', *_LIMITS])
_NAME = re.compile(r'[a-zA-Z0-9][a-zA-Z0-9-]{0,62}')
_PACKAGE = re.compile(r'[a-z0-9][a-z0-9.+-]+')
_MOUNT = re.compile(r'(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+')


def lacking() -> list[str]:
    """What this machine lacks for local machines, a sentence each."""
    found = []
    if os.geteuid() != 0:
        found.append('The local backend needs root, to make network '
                     'namespaces, mounts and control groups.')
    missing = [name for name in _PROGRAMS if not shutil.which(name)]
    if missing:
        found.append(f'Programs are missing: {", ".join(missing)}; install '
                     'the packages of bindep.txt.')
    kinds = pathlib.Path('/proc/filesystems').read_text().split()
    if 'overlay' not in kinds:
        found.append('The kernel lacks overlayfs.')
    if not cgroups.available():
        found.append('No cgroup2 hierarchy is mounted.')
    spaces = [name for name in _SPACES
              if not os.path.exists(f'/proc/self/ns/{name}')]
    if spaces:
        found.append(f'The kernel lacks namespaces: {", ".join(spaces)}.')
    return found


def _mib(name: str) -> int:
    """What the kernel says of memory, as psutil calls it."""
    return int(getattr(psutil.virtual_memory(), name)) >> 20


@dataclasses.dataclass(frozen=True)
class Room:
    """How much of this machine is taken, and how much there is.

    :param own: machines that the cluster has which asks.
    :param others: machines that all others want.
    :param total: MiB of memory.
    :param free: those of it that can be had without swapping.
    """

    conf: cfg.ConfigOpts.GroupAttr
    own: int
    others: int
    total: int = dataclasses.field(default_factory=lambda: _mib('total'))
    free: int = dataclasses.field(
        default_factory=lambda: _mib('available'))

    @property
    def spare(self) -> int:
        """How many machines the cluster may have, with its own."""
        places = int(self.conf.max_nodes) - self.others
        memory = self.free // int(self.conf.reserve_mib) + self.own
        return max(0, min(places, memory))

    def assess(self, request: base.InfraRequest) -> base.Assessment:
        """What a request meets here."""
        slots, own = len(request.slots), self.own
        wanted, free = max(0, slots - own), max(0, self.spare - own)

        def claim(name: str, used: int, limit: int, each: int = 1
                  ) -> base.Claim:
            return base.Claim(base.Quota(name, used, limit), each * wanted)

        return base.Assessment(
            (*map(Finding, lacking()), *unfit(request),
             *room(slots, self.spare, self.conf)),
            (base.Need('local', wanted, free, wanted <= free),),
            (claim('nodes', self.others + own, int(self.conf.max_nodes)),
             claim('ram', self.total - self.free, self.total,
                   int(self.conf.reserve_mib)),
             claim('addresses', own, ADDRESSES)))


def of_a_cloud(conf: cfg.ConfigOpts) -> bool:
    """Whether those who ask are users of an OpenStack cloud."""
    try:
        return bool(conf.api.auth_strategy == 'keystone')
    except cfg.NoSuchOptError:
        # Only this backend is used, without the service.
        return False


def room(slots: int, spare: int, conf: cfg.ConfigOpts.GroupAttr
         ) -> list[Finding]:
    """What is wrong with that many machines where *spare* have room."""
    findings = []
    if slots > spare:
        findings.append(Finding(
            f'{slots} machines asked for, but this machine has room for '
            f'{spare}: [local] max_nodes is {conf.max_nodes}, and each needs '
            f'{conf.reserve_mib} MiB of free memory.', '$.node_groups'))
    if slots > ADDRESSES:
        findings.append(Finding(
            f'{slots} machines asked for, but a local cluster has addresses '
            f'for {ADDRESSES}.', '$.node_groups'))
    return findings


def unfit(request: base.InfraRequest) -> list[Finding]:
    """Everything in a request that makes no sense here, or does harm."""
    return [*_names(request), *_volumes(request),
            *(finding for group, values in request.groups.items()
              for finding in _group(
                  f'$.infrastructure.local.groups.{group}', values))]


def known(cluster_id: str) -> bool:
    """Whether it can be the name of a cluster's folder."""
    return bool(_NAME.fullmatch(cluster_id))


def _names(request: base.InfraRequest) -> Iterator[Finding]:
    if not known(request.cluster_id):
        yield Finding('is no name for a cluster\'s folder', '$.id')
    for slot in request.slots:
        if not _NAME.fullmatch(slot.name):
            yield Finding(f'"{slot.name}" cannot be a host name',
                          f'$.node_groups.{slot.group}')


def _volumes(request: base.InfraRequest) -> Iterator[Finding]:
    for volume in request.volumes:
        where = f'$.volumes.{volume.name}'
        if not _NAME.fullmatch(volume.name):
            yield Finding('the name must be letters, digits and dashes',
                          where)
        if not _MOUNT.fullmatch(volume.mount):
            yield Finding(f'"{volume.mount}" must be an absolute path with '
                          'nothing special in it', f'{where}.mount')


def _group(where: str, values: Any) -> Iterator[Finding]:
    for key, value in values.items():
        if key == 'packages':
            if not isinstance(value, (list, tuple)) or not all(
                    isinstance(name, str) and _PACKAGE.fullmatch(name)
                    for name in value):
                yield Finding('must be a list of Debian package names',
                              f'{where}.packages')
        elif key not in _LIMITS:
            yield Finding(
                f'"{key}" means nothing to the local backend, which knows '
                f'{_KNOWN}.', f'{where}.{key}')
        elif isinstance(value, bool) or not isinstance(
                value, (int, float) if key == 'cpus' else int) or not (
                _LIMITS[key][0] <= value <= _LIMITS[key][1]):
            yield Finding(
                f'is {value}; {_LIMITS[key][0]} to {_LIMITS[key][1]} is '
                'possible.', f'{where}.{key}')
