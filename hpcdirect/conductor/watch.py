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

import logging
from typing import Any

from hpcdirect.backends import request
from hpcdirect.backends.base import Backend
from hpcdirect.backends.base import Infra
from hpcdirect.backends.base import InfraStatus
from hpcdirect.backends.base import Machine
from hpcdirect.backends.base import MachineStatus
from hpcdirect.backends.base import Slot
from hpcdirect.db.ledger import Ledger
from hpcdirect.db.ledger import Snapshot
from hpcdirect.db.models import Node
from hpcdirect.exception import PluginError
from hpcdirect.states import ClusterStatus
from hpcdirect.states import NodeStatus

LOG = logging.getLogger(__name__)

#: Statuses of clusters that are looked after.
RESTING = (ClusterStatus.ACTIVE, ClusterStatus.DEGRADED)
#: Machines named in the reason; the others are counted.
_NAMED = 5


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
    rows = {row.name: row for row in recorded.nodes}
    seen = {machine.slot: machine for machine in infra.machines}
    changed = []
    faults = {}
    for slot in request.slots_of(cluster.desired):
        row = rows.get(slot.name)
        status, fault = _judged(slot, seen.get(slot.name), row, infra)
        if fault:
            faults[slot.name] = fault
        if row is not None and (row.status, row.fault) != (status, fault):
            changed.append({'name': slot.name, 'status': status,
                            'fault': fault})
    reason = _reason(faults)
    if changed or reason != cluster.status_reason:
        ledger.rest(changed, reason)


def _judged(slot: Slot, machine: Machine | None, row: Node | None,
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
    if len(set(faults.values())) == 1 and len(faults) > 1:
        named = [f'{_names(list(faults))}: {next(iter(faults.values()))}']
    else:
        named = [f'{name}: {fault}'
                 for name, fault in list(faults.items())[:_NAMED]]
        if len(faults) > _NAMED:
            named.append(f'and {len(faults) - _NAMED} more')
    return ('; '.join(named).rstrip('.') + '. A retry brings back what is '
            'missing; the rest is left as it is.')


def _names(names: list[str]) -> str:
    more = f' and {len(names) - _NAMED} more' if len(names) > _NAMED else ''
    return ', '.join(names[:_NAMED]) + more
