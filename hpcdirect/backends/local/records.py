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

"""What is wanted of a cluster's local machines, in files that outlive us."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import json
import pathlib
from typing import Any

from hpcdirect.backends import base
from hpcdirect.backends.local import alone
from hpcdirect.backends.local import checks
from hpcdirect.backends.local import mounts
from hpcdirect.exception import BackendError


@dataclasses.dataclass
class Record:
    """One cluster's file.

    :param addresses: slot -> address; kept as long as the cluster, so that
        a machine that comes again has the address it had.
    :param faults: slot -> why it could not be made, since the last change.
    :param note: what takes long just now, a sentence.
    :param wish: whose request it is.
    """

    cluster_id: str
    subnet: str
    serial: int = 0
    deleted: bool = False
    slots: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    groups: dict[str, dict[str, Any]] = dataclasses.field(
        default_factory=dict)
    volumes: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    public_key: str = ''
    addresses: dict[str, str] = dataclasses.field(default_factory=dict)
    faults: dict[str, str] = dataclasses.field(default_factory=dict)
    note: str = ''
    wish: str = ''

    def wanted(self) -> dict[str, base.Slot]:
        """The slots wanted, by name."""
        return {} if self.deleted else {
            slot['name']: base.Slot(**slot) for slot in self.slots}


    def give_addresses(self) -> None:
        """An address for every slot wanted, the lowest that is free.

        :raises BackendError: the subnet is full.
        """
        subnet = ipaddress.ip_network(self.subnet)
        names = [slot['name'] for slot in self.slots]
        used = set(self.addresses.values())
        free = [str(subnet[number])
                for number in range(checks.FIRST_ADDRESS, 255)
                if str(subnet[number]) not in used]
        for name in names:
            if name in self.addresses:
                continue
            if not free:
                # Of slots that are to go: they go before others are made.
                free = [self.addresses.pop(old) for old
                        in sorted(self.addresses.keys() - set(names))]
            if not free:
                raise BackendError(plugin='local', reason=(
                    f'Subnet {subnet} of this cluster is full.'))
            self.addresses[name] = free.pop(0)


class Records:
    """The files of all clusters under one state path."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def folder(self, cluster_id: str) -> pathlib.Path:
        """Where everything of a cluster is."""
        return self._path / 'clusters' / cluster_id

    def clusters(self) -> list[str]:
        """Ids of the clusters that anything is there of."""
        path = self._path / 'clusters'
        return sorted(item.name for item in path.iterdir()
                      if item.is_dir()) if path.is_dir() else []

    def read(self, cluster_id: str) -> Record | None:
        """A cluster's record, None when there is none."""
        if not checks.known(cluster_id):
            return None
        try:
            text = (self.folder(cluster_id) / 'record.json').read_text()
        except OSError:
            return None
        try:
            return Record(**json.loads(text))
        except (ValueError, TypeError) as exc:
            raise BackendError(plugin='local', reason=(
                f'{self.folder(cluster_id)}/record.json is not a record of '
                f'this version: {exc}.')) from exc

    def all(self) -> list[Record]:
        """The records of all clusters."""
        return [*filter(None, map(self.read, self.clusters()))]

    def write(self, record: Record) -> None:
        """Keep a record, in one move."""
        folder = self.folder(record.cluster_id)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = folder / 'record.json.new'
        new.write_text(json.dumps(dataclasses.asdict(record)))
        new.replace(folder / 'record.json')

    def remove(self, cluster_id: str) -> None:
        """Forget a cluster; the record goes last, so it can go on."""
        folder = self.folder(cluster_id)
        mounts.clear(folder)
        for item in folder.iterdir() if folder.is_dir() else ():
            if item.name != 'record.json':
                mounts.remove(item)
        (folder / 'record.json').unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()

    def lock(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Nobody else, in this process or another, holds *name* meanwhile."""
        return alone.holding(self._lock(name))

    def locked(self, name: str) -> bool:
        """Whether somebody holds *name* just now."""
        return alone.held(self._lock(name))

    def _lock(self, name: str) -> pathlib.Path:
        folder = self._path / 'locks'
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name
