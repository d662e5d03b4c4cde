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
often it is not there when it is asked for new machines.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable
import hashlib
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

_KNOWN = ('away', 'delay', 'fail', 'packages')


class FakeBackend(base.Backend):
    """Keeps its machines in ``state_path/fake.json``: a restart finds them.

    Times are the monotonic clock's, which is one for a whole machine.

    :param conf: its ``state_path``; none, and nothing is kept.
    """

    name = 'fake'

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        path = getattr(conf, 'state_path', None)
        self._path = pathlib.Path(path) / 'fake.json' if path else None
        self._lock = threading.Lock()
        self._clusters: dict[str, dict[str, Any]] = {}
        self._asked: Counter[str] = Counter()
        self._recall()

    def reference(self, cluster_id: str, project_id: str = '') -> str:
        """``fake-<cluster id>``."""
        return f'fake-{cluster_id}'

    def validate(self, request: base.InfraRequest) -> list[Finding]:
        """Keys of a group's infrastructure that mean nothing here."""
        return [Finding(f'"{key}" means nothing to the fake backend',
                        f'$.infrastructure.fake.groups.{group}.{key}')
                for group, values in request.groups.items()
                for key in values if key not in _KNOWN]

    def ensure(self, request: base.InfraRequest) -> str:
        """Write down the machines; they are up after their delay."""
        ref = self.reference(request.cluster_id)
        with self._lock:
            self._recall()
            old = self._clusters.get(ref, {})
            self._asked[ref] += 1
            # What is there was asked for often enough, by whomever.
            if not old and self._asked[ref] <= max([0] + [
                    int(group.get('away', 0))
                    for group in request.groups.values()]):
                raise BackendUnavailable(plugin='fake', reason=(
                    'it was told to be away'))
            self._clusters[ref] = {
                slot.name: self._machine(request, slot, old.get(slot.name))
                for slot in request.slots}
            self._keep()
        return ref

    def observe(self, ref: str) -> base.Infra:
        """What the file says, by the clock."""
        with self._lock:
            self._recall()
            machines = self._clusters.get(ref)
        if machines is None:
            return base.Infra(base.InfraStatus.GONE)
        seen = tuple(_seen(name, values)
                     for name, values in sorted(machines.items()))
        up = all(machine.status == base.MachineStatus.UP for machine in seen)
        return base.Infra(base.InfraStatus.READY if up
                          else base.InfraStatus.CHANGING, machines=seen)

    def delete(self, ref: str) -> None:
        """Forget the machines."""
        with self._lock:
            self._recall()
            self._clusters.pop(ref, None)
            self._keep()

    def capacity(self, project_id: str) -> base.Capacity:
        """As many as you like."""
        return base.Capacity((base.NodeType('fake'),))

    def leftovers(self) -> Iterable[base.Leftover]:
        """Every machine in the file."""
        with self._lock:
            self._recall()
            return [base.Leftover(ref.removeprefix('fake-'), 'machine', name)
                    for ref, machines in self._clusters.items()
                    for name in machines]

    def sweep(self, leftover: base.Leftover) -> None:
        """Forget all machines of that cluster."""
        self.delete(self.reference(leftover.cluster_id))

    def _machine(self, request: base.InfraRequest, slot: base.Slot,
                 old: dict[str, Any] | None) -> dict[str, Any]:
        if old and old['incarnation'] == slot.incarnation \
                and not old['fail']:
            return old
        group = request.groups.get(slot.group, {})
        used = {values['number'] for machines in self._clusters.values()
                for values in machines.values()}
        number = next(n for n in range(1, 65536) if n not in used)
        # The number is taken at once, or two of one request would share it.
        values = {'incarnation': slot.incarnation, 'number': number,
                  'up_at': time.monotonic() + float(group.get('delay', 0)),
                  'fail': _fails(group.get('fail', False), slot.name),
                  'seed': uuid.uuid4().hex}
        self._clusters.setdefault(
            self.reference(request.cluster_id), {})[slot.name] = values
        return values

    def _recall(self) -> None:
        """What the file says now: another process may have written it."""
        if self._path:
            try:
                self._clusters = _read(self._path)
            except FileNotFoundError:
                self._clusters = {}

    def _keep(self) -> None:
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new = self._path.with_suffix('.new')
            new.write_text(json.dumps(self._clusters))
            new.replace(self._path)


def _fails(said: Any, slot: str) -> bool:
    return slot in said if isinstance(said, list) else bool(said)


def _read(path: pathlib.Path) -> dict[str, dict[str, Any]]:
    try:
        return cast('dict[str, dict[str, Any]]', json.loads(path.read_text()))
    except ValueError as exc:
        raise BackendError(plugin='fake', reason=(
            f'{path} is not a file of this backend: {exc}; delete it.')
        ) from exc


def _seen(name: str, values: dict[str, Any]) -> base.Machine:
    number = values['number']
    address = f'192.0.2.{number}' if number < 255 else (
        f'198.51.{number // 256}.{number % 256}')
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
