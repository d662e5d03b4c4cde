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


"""Looks after clusters that rest: are their machines still as wanted?

A cloud's other doors stay open: a stack can be deleted, a server can die,
hardware can be taken into maintenance without us. That is seen and said;
nothing is mended unless somebody asks, since whoever did it may be at work.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import datetime
import logging
from typing import Any
from typing import Protocol

from hpcdirect.backends import base
from hpcdirect.backends.base import Backend
from hpcdirect.backends.base import Infra
from hpcdirect.backends.base import InfraStatus
from hpcdirect.backends.base import Machine
from hpcdirect.backends.base import MachineStatus
from hpcdirect.backends.base import Slot
from hpcdirect.db import leases
from hpcdirect.db import nodes
from hpcdirect.db.columns import sentence
from hpcdirect.db.ledger import Ledger
from hpcdirect.db.ledger import Snapshot
from hpcdirect.db.session import Database
from hpcdirect.exception import PluginError
from hpcdirect.exception import Replayed
from hpcdirect.planning import accounts
from hpcdirect.planning.state import State
from hpcdirect.states import RESTING
from hpcdirect.states import ClusterStatus
from hpcdirect.states import NodeStatus

LOG = logging.getLogger(__name__)

#: Seconds between two looks for accounts whose time is over, where machines
#: are not looked at.
ACCOUNTS = 300.0
#: Machines named in the reason; the others are counted.
_NAMED = 5


class _Seen(Protocol):
    """What is recorded of a node, as far as it is looked at here."""

    @property
    def name(self) -> str: ...
    @property
    def ref(self) -> str: ...
    @property
    def incarnation(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def fault(self) -> str: ...


class _Wanted(Protocol):
    """What is wanted of a cluster, as it is recorded."""

    @property
    def generation(self) -> int: ...
    @property
    def desired(self) -> State: ...


@dataclasses.dataclass(frozen=True)
class Watch:
    """Looks at many resting clusters at once, without holding any.

    :param rest: seconds between two looks at a cluster.
    :param machines: whether machines are looked at; accounts are in any case.
    :param clock: the time, UTC without saying so.
    """

    database: Database
    backends: Mapping[str, Backend]
    rest: float
    machines: bool
    clock: Callable[[], datetime.datetime]

    def look(self, limit: int, *, lapsed: bool) -> tuple[list[str], bool]:
        """Look at some that are due.

        :param limit: at how many.
        :param lapsed: also at those whose owner's lease is over.
        :returns: the ids of those that need a turn, since something is not
            as it is recorded; and whether there may be more that are due.
        """
        with self.database.write() as session:
            found = leases.reserve(session, self.rest, limit, lapsed=lapsed)
            seen = nodes.of_clusters(session, [one.id for one in found
                                               if self.machines])
        if not found:
            return [], False
        at = self.clock().replace(tzinfo=datetime.UTC)
        soon: dict[str, float] = {}
        for one in found:
            if self._moved(one, seen.get(one.id, [])):
                soon[one.id] = 0.0
                continue
            end = None if one.status == ClusterStatus.ERROR \
                else accounts.next_end(one.desired)
            left = (end - at).total_seconds() if end else self.rest
            if left < self.rest:
                soon[one.id] = max(0.0, left)
        if soon:
            with self.database.write() as session:
                for ident, seconds in soon.items():
                    leases.look_again(session, ident, seconds)
        return ([ident for ident, seconds in soon.items() if not seconds],
                len(found) == limit)

    def _moved(self, cluster: leases.Resting, nodes: Iterable[_Seen]) -> bool:
        """Whether the machines are not as they are recorded."""
        backend = self.backends.get(cluster.backend)
        if not self.machines or backend is None or not cluster.backend_ref:
            return False
        try:
            infra = backend.observe(cluster.backend_ref)
        except PluginError as exc:
            LOG.warning('Cluster %s cannot be looked after: %s', cluster.id,
                        exc)
            return False
        changed, reason = _compared(cluster, nodes, infra)
        return bool(changed) or (reason != cluster.status_reason and
                                 cluster.status != ClusterStatus.ERROR)


def look_after(ledger: Ledger, backend: Backend, recorded: Snapshot) -> None:
    """Compare a resting cluster's machines with what is wanted of it.

    :raises LostLease: another conductor has the cluster.
    """
    cluster = recorded.cluster
    if cluster.status not in RESTING or not cluster.backend_ref:
        return
    try:
        infra = backend.observe(cluster.backend_ref)
    except PluginError as exc:
        LOG.warning('Cluster %s cannot be looked after: %s', cluster.id, exc)
        return
    changed, reason = _compared(cluster, recorded.nodes, infra)
    if changed or (reason != cluster.status_reason
                   and cluster.status != ClusterStatus.ERROR):
        ledger.nodes.rest(changed, reason)


def _compared(cluster: _Wanted, nodes: Iterable[_Seen], infra: Infra
              ) -> tuple[list[dict[str, Any]], str]:
    """What is not as it is recorded.

    :returns: columns of the nodes that are to be changed, and what ails the
        cluster, '' when nothing does.
    """
    desired = cluster.desired
    if desired.deleted:
        # What is left of it is no loss.
        return [], ''
    if infra.wish.generation > cluster.generation:
        # What is recorded of machines may be as old as the rest.
        return [], (
            'Its machines were changed for generation '
            f'{infra.wish.generation} of what is wanted, and the database '
            f'says {cluster.generation}. {Replayed.hint}')
    rows = {row.name: row for row in nodes}
    seen = {machine.slot: machine for machine in infra.machines}
    changed = []
    faults = {}
    for slot in base.slots_of(desired):
        row = rows.get(slot.name)
        status, fault = _judged(slot, seen.get(slot.name), row, infra)
        fault = sentence(fault)
        if fault:
            faults[slot.name] = fault
        if row is not None and (row.status, row.fault) != (status, fault):
            changed.append({'name': slot.name, 'status': status,
                            'fault': fault})
    return changed, sentence(_reason(faults))


def _judged(slot: Slot, machine: Machine | None, row: _Seen | None,
            infra: Infra) -> tuple[str, str]:
    """Status and fault of the machine in a slot."""
    if machine is None or machine.status in (MachineStatus.ABSENT,
                                             MachineStatus.LEAVING):
        gone = ('everything of this cluster is gone from the cloud'
                if infra.status == InfraStatus.GONE
                else 'the machine is gone')
        return NodeStatus.FAILED, gone
    if machine.status == MachineStatus.FAILED:
        return NodeStatus.FAILED, machine.fault or 'the machine failed'
    there = (machine.ref, machine.incarnation)
    if machine.incarnation != slot.incarnation or (
            row is not None and (row.ref, row.incarnation) != there):
        return NodeStatus.FAILED, 'another machine is in its place'
    status = row.status if row is not None else NodeStatus.UP
    if status == NodeStatus.FAILED and machine.status == MachineStatus.UP:
        status = NodeStatus.UP
    return status, machine.fault


def _reason(faults: dict[str, Any]) -> str:
    """The faults in a sentence or two; '' without any."""
    if not faults:
        return ''
    # Each is a sentence, and becomes a part of one.
    faults = {name: fault.rstrip('.') for name, fault in faults.items()}
    if len(set(faults.values())) == 1 and len(faults) > 1:
        named = [f'{_names(list(faults))}: {next(iter(faults.values()))}']
    else:
        named = [f'{name}: {fault}'
                 for name, fault in list(faults.items())[:_NAMED]]
        if len(faults) > _NAMED:
            named.append(f'and {len(faults) - _NAMED} more')
    return ('; '.join(named) + '. A retry brings back what is '
            'missing; the rest is left as it is.')


def _names(names: list[str]) -> str:
    more = f' and {len(names) - _NAMED} more' if len(names) > _NAMED else ''
    return ', '.join(names[:_NAMED]) + more
