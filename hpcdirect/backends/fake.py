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

"""A backend whose machines are lines in a file.

For unit tests and demonstrations. What a group's infrastructure says decides
how its machines fare: ``delay`` seconds until they are up, ``fail`` true for
machines that never come up, or a list of the slots that do not, ``away`` how
often it is not there when it is asked for new machines; ``type`` what kind of
machine they are, and ``most`` how many of that kind there are for all.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import fcntl
import hashlib
import ipaddress
import itertools
import json
import pathlib
import threading
import time
from typing import Any
from typing import cast
import uuid

from oslo_config import cfg

from hpcdirect.backends import base
from hpcdirect.exception import BackendError
from hpcdirect.exception import BackendUnavailable
from hpcdirect.exception import Finding
from hpcdirect.wishes import Wish

#: Slot -> what is known of its machine.
Machines = dict[str, dict[str, Any]]

_KNOWN = ('away', 'delay', 'fail', 'most', 'packages', 'type')
#: Of machines of which nothing else is said.
_TYPE = 'fake'


class FakeBackend(base.Backend):
    """Keeps its machines in files, one for each cluster: a restart finds them.

    What a call costs grows with the machines of its cluster, not of all.
    Times are the monotonic clock's, which is one for a whole machine.

    :param conf: its ``state_path``, below which they are; none, and nothing
        is kept.
    """

    name = 'fake'

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        path = getattr(conf, 'state_path', None)
        self._store = _Files(pathlib.Path(path) / 'fake') if path \
            else _Memory()
        self._asked: Counter[str] = Counter()

    def reference(self, cluster_id: str, project_id: str = '') -> str:
        """``fake-<cluster id>``."""
        return f'fake-{cluster_id}'

    def validate(self, request: base.InfraRequest) -> list[Finding]:
        """What means nothing here, and machines that there are not."""
        return [*(Finding(f'"{key}" means nothing to the fake backend',
                          f'$.infrastructure.fake.groups.{group}.{key}')
                  for group, values in request.groups.items()
                  for key in values if key not in _KNOWN),
                *(Finding(f'{need.wanted} more machines of type {need.type} '
                          f'are wanted, {need.free} are free',
                          '$.node_groups')
                  for need in self._needs(request) if not need.fits)]

    def assess(self, request: base.InfraRequest) -> base.Assessment:
        """Every type of machine is a quota as well."""
        needs = tuple(self._needs(request))
        return base.Assessment(tuple(self.validate(request)), needs, tuple(
            base.Claim(base.Quota(one.type, *self._stock(request, one.type)),
                       one.wanted) for one in needs))

    def _needs(self, request: base.InfraRequest) -> Iterator[base.Need]:
        there = self._store.read(self.reference(request.cluster_id)) or {}
        wanted = Counter(_type(request.groups.get(slot.group, {}))
                         for slot in request.slots if slot.name not in there)
        for kind, number in sorted(wanted.items()):
            used, most = self._stock(request, kind)
            free = None if most is None else max(0, most - used)
            yield base.Need(kind, number, free,
                            free is None or number <= free)

    def _stock(self, request: base.InfraRequest, kind: str
               ) -> tuple[int, int | None]:
        """How many machines of a type are in use, and how many there are."""
        most = [int(group['most']) for group in request.groups.values()
                if 'most' in group and _type(group) == kind]
        if not most:
            return 0, None
        return sum(machine.get('type', _TYPE) == kind
                   for ref in self._store.refs()
                   for machine in (self._store.read(ref) or {}).values()
                   ), min(most)

    def networks(self, request: base.InfraRequest) -> base.Networks:
        """One that all its machines share, whosever they are."""
        return (base.Network('fake', tuple(request.groups), own=False),)

    def ensure(self, request: base.InfraRequest) -> str:
        """Write down the machines; they are up after their delay."""
        ref = self.reference(request.cluster_id)
        with self._store.changing():
            old = self._store.read(ref) or {}
            self._asked[ref] += 1
            # What is there was asked for often enough, by whomever.
            if not old and self._asked[ref] <= max([0] + [
                    int(group.get('away', 0))
                    for group in request.groups.values()]):
                raise BackendUnavailable(plugin='fake', reason=(
                    'it was told to be away'))
            kept = {slot.name: old[slot.name] for slot in request.slots
                    if _stays(slot, old.get(slot.name))}
            numbers = self._store.numbers(len(request.slots) - len(kept))
            self._store.write(ref, {
                slot.name: {**(kept.get(slot.name)
                               or _made(request, slot, next(numbers))),
                            'wish': str(request.wish)}
                for slot in request.slots})
        return ref

    def observe(self, ref: str) -> base.Infra:
        """What the file says, by the clock."""
        machines = self._store.read(ref)
        if machines is None:
            return base.Infra(base.InfraStatus.GONE)
        seen = tuple(_seen(name, values)
                     for name, values in sorted(machines.items()))
        up = all(machine.status == base.MachineStatus.UP for machine in seen)
        return base.Infra(
            base.InfraStatus.READY if up else base.InfraStatus.CHANGING,
            machines=seen, wish=max((
                Wish.read(values.get('wish', ''))
                for values in machines.values()),
                key=lambda wish: wish.generation, default=Wish()))

    def delete(self, ref: str) -> None:
        """Forget the machines."""
        with self._store.changing():
            self._store.remove(ref)

    def capacity(self, project_id: str) -> base.Capacity:
        """As many as you like."""
        return base.Capacity((base.NodeType('fake'),))

    def leftovers(self) -> Iterable[base.Leftover]:
        """Every machine of every file."""
        for ref in self._store.refs():
            for name in self._store.read(ref) or ():
                yield base.Leftover(ref.removeprefix('fake-'), 'machine',
                                    name)

    def sweep(self, leftover: base.Leftover) -> None:
        """Forget all machines of that cluster."""
        self.delete(self.reference(leftover.cluster_id))


class _Memory:
    """The machines of each cluster, as long as this process lives."""

    def __init__(self) -> None:
        self._clusters: dict[str, Machines] = {}
        self._given = itertools.count(1)
        self._lock = threading.Lock()

    def changing(self) -> contextlib.AbstractContextManager[Any]:
        """Nobody else changes anything meanwhile."""
        return self._lock

    def read(self, ref: str) -> Machines | None:
        return self._clusters.get(ref)

    def write(self, ref: str, machines: Machines) -> None:
        self._clusters[ref] = machines

    def remove(self, ref: str) -> None:
        self._clusters.pop(ref, None)

    def refs(self) -> list[str]:
        return sorted(self._clusters)

    def numbers(self, count: int) -> Iterator[int]:
        """So many that no machine has had."""
        return itertools.islice(self._given, count)


class _Files:
    """The same in a file each, which other processes may write, too."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Nobody else changes anything meanwhile, in no process."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / 'lock').open('w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def read(self, ref: str) -> Machines | None:
        try:
            text = self._file(ref).read_text()
        except FileNotFoundError:
            return None
        try:
            return cast('Machines', json.loads(text))
        except ValueError as exc:
            raise BackendError(plugin='fake', reason=(
                f'{self._file(ref)} is not a file of this backend: {exc}; '
                'delete it.')) from exc

    def write(self, ref: str, machines: Machines) -> None:
        self._replace(self._file(ref), json.dumps(machines))

    def remove(self, ref: str) -> None:
        self._file(ref).unlink(missing_ok=True)

    def refs(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob('*.json'))

    def numbers(self, count: int) -> Iterator[int]:
        """So many that no machine has had."""
        file = self._folder / 'given'
        given = int(file.read_text()) if file.exists() else 0
        self._replace(file, str(given + count))
        return iter(range(given + 1, given + count + 1))

    @staticmethod
    def _replace(file: pathlib.Path, text: str) -> None:
        # Whoever is killed here leaves it as it was.
        new = file.with_name(f'{file.name}.{uuid.uuid4().hex}')
        new.write_text(text)
        new.replace(file)

    def _file(self, ref: str) -> pathlib.Path:
        return self._folder / f'{ref}.json'


def _stays(slot: base.Slot, old: dict[str, Any] | None) -> bool:
    """Whether a machine is the one wanted, and well."""
    return bool(old and old['incarnation'] == slot.incarnation
                and not old['fail'])


def _made(request: base.InfraRequest, slot: base.Slot, number: int
          ) -> dict[str, Any]:
    group = request.groups.get(slot.group, {})
    return {'incarnation': slot.incarnation, 'number': number,
            'up_at': time.monotonic() + float(group.get('delay', 0)),
            'type': _type(group),
            'fail': _fails(group.get('fail', False), slot.name),
            'seed': uuid.uuid4().hex}


def _type(group: Mapping[str, Any]) -> str:
    return str(group.get('type', _TYPE))


def _fails(said: Any, slot: str) -> bool:
    return slot in said if isinstance(said, list) else bool(said)


def _seen(name: str, values: dict[str, Any]) -> base.Machine:
    number = values['number']
    # Of what no network has, as long as that lasts.
    address = f'192.0.2.{number}' if number < 255 else str(
        ipaddress.ip_address('198.18.0.0') + number if number < 1 << 17
        else ipaddress.ip_address('10.0.0.0') + number % (1 << 24))
    status, fault = base.MachineStatus.UP, ''
    if time.monotonic() < values['up_at']:
        status = base.MachineStatus.BUILDING
    elif values['fail']:
        status, fault = base.MachineStatus.FAILED, 'It was told to fail.'
    blob = b'\0\0\0\x0bssh-ed25519\0\0\0\x20' + hashlib.sha256(
        values.get('seed', str(number)).encode()).digest()
    return base.Machine(
        name, values['incarnation'], status, ref=f'fake-{number}',
        address=address, fault=fault, ssh=base.Ssh(
            address, host_key='ssh-ed25519 '
            + base64.b64encode(blob).decode()))
