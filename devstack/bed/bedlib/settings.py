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

"""What a bed is: its places, its numbers, its passwords."""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import json
import os
import pathlib
import secrets

#: People: user -> project -> roles. The first project is the cloud's.
PEOPLE: dict[str, dict[str, tuple[str, ...]]] = {
    'alice': {'lab': ('member',)},
    'bob': {'lab': ('member',)},
    'carol': {'lab': ('reader',)},
    'dave': {'lab': ('manager',)},
    'mallory': {'other': ('member',)},
}
#: Who manages the domain Default, and may hand out roles in it.
DOMAIN_MANAGER = 'dave'
#: Services with a user of the same name: type and address in the catalogue.
SERVICES = {
    'ironic': ('baremetal', 'http://127.0.0.1:6385'),
    'placement': ('placement', 'http://127.0.0.1:8778'),
    'glance': ('image', 'http://127.0.0.1:9292'),
    'neutron': ('network', 'http://127.0.0.1:9696'),
    'nova': ('compute', 'http://127.0.0.1:8774/v2.1'),
    'heat': ('orchestration', 'http://127.0.0.1:8004/v1/%(tenant_id)s'),
    'hpcdirect': ('hpc-cluster', 'http://127.0.0.1:9517'),
}
_SECRETS = ('database', 'rabbitmq', 'heat_encryption', 'heat_domain_admin',
            'admin', *SERVICES, *PEOPLE)


@dataclasses.dataclass(frozen=True)
class Bed:
    """One bed, as the variables of its command say.

    :param path: folder of everything but the cache.
    :param python: virtual environment of hpcdirect; ``venv`` is OpenStack's.
    :param cgroup: its folder in the unified hierarchy.
    :param provider: addresses of the provider network.
    :param portal: whether it has Horizon.
    :param began: when the command was given, seconds since 1970.
    """

    name: str
    path: pathlib.Path
    cache: pathlib.Path
    checkout: pathlib.Path
    python: pathlib.Path
    venv: pathlib.Path
    cgroup: pathlib.Path
    provider: ipaddress.IPv4Network
    nodes: int
    fake_nodes: int
    conductors: int
    backends: str
    portal: bool
    began: int

    @property
    def etc(self) -> pathlib.Path:
        """Configuration."""
        return self.path / 'etc'

    @property
    def log(self) -> pathlib.Path:
        """NAME.log for each service."""
        return self.path / 'log'

    @property
    def run(self) -> pathlib.Path:
        """NAME.pid for each service."""
        return self.path / 'run'

    @property
    def data(self) -> pathlib.Path:
        """What outlives a stop."""
        return self.path / 'data'

    @property
    def gateway(self) -> str:
        """The bed's own address in the provider network."""
        return str(self.provider[1])

    @property
    def image(self) -> str:
        """Lower folders of the machines' disks, as overlayfs takes them."""
        return (self.data / 'image' / 'lower').read_text().strip()

    @functools.cached_property
    def secrets(self) -> dict[str, str]:
        """Passwords by user, made at the first time."""
        path = self.etc / 'secrets.json'
        known: dict[str, str] = {}
        if path.exists():
            known = json.loads(path.read_text())
        missing = [name for name in _SECRETS if name not in known]
        if missing:
            # 32 characters, as Heat wants its key to be.
            known |= {name: secrets.token_hex(16) for name in missing}
            new = path.with_suffix('.new')
            new.touch(mode=0o600)
            new.write_text(json.dumps(known, indent=1))
            new.rename(path)
        return known


def read() -> Bed:
    """The bed of this process's environment."""
    given = os.environ
    return Bed(
        name=given['BED_NAME'],
        path=pathlib.Path(given['BED_PATH']),
        cache=pathlib.Path(given['BED_CACHE']),
        checkout=pathlib.Path(given['BED_CHECKOUT']),
        python=pathlib.Path(given['BED_PYTHON']),
        venv=pathlib.Path(given['BED_VENV']),
        cgroup=pathlib.Path(given['BED_CGROUP']),
        provider=ipaddress.IPv4Network(given['BED_PROVIDER']),
        nodes=int(given.get('BED_NODES') or 8),
        fake_nodes=int(given.get('BED_FAKE_NODES') or 0),
        conductors=int(given.get('BED_CONDUCTORS') or 2),
        backends=given.get('BED_BACKENDS') or 'heat,local',
        portal=bool(given.get('BED_PORTAL')),
        began=int(given['BED_BEGAN']))
