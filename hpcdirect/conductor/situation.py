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

"""Looks at a cluster: what is recorded, what is there, what is wanted."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import datetime
import pathlib
from typing import Any

from hpcdirect.backends import base as backends
from hpcdirect.backends.base import Backend
from hpcdirect.backends.base import Infra
from hpcdirect.backends.base import InfraStatus
from hpcdirect.backends.base import Machine
from hpcdirect.backends.base import MachineStatus
from hpcdirect.backends.base import Slot
from hpcdirect.backends.base import Ssh
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.conductor.permission import Permit
from hpcdirect.conductor.vault import Vault
from hpcdirect.db import models
from hpcdirect.db import recorded as records
from hpcdirect.db.columns import sentence
from hpcdirect.db.ledger import Ledger
from hpcdirect.db.ledger import Snapshot
from hpcdirect.exception import LostLease
from hpcdirect.exception import NotAsOrdered
from hpcdirect.exception import NotFound
from hpcdirect.exception import Replayed
from hpcdirect.exception import Unread
from hpcdirect.planning import elements
from hpcdirect.planning import wanted as wanting
from hpcdirect.planning.elements import ElementOf
from hpcdirect.planning.plan import Observed
from hpcdirect.planning.plan import Plan
from hpcdirect.planning.state import Pins
from hpcdirect.planning.state import State
from hpcdirect.planning.wanted import Wanted
from hpcdirect.runners import base as runners
from hpcdirect.states import NodeStatus
from hpcdirect.states import StepKind
from hpcdirect.wishes import Wish

_SSH = tuple(field.name for field in dataclasses.fields(Ssh))
_NODE_STATUS = {
    MachineStatus.ABSENT: NodeStatus.BUILDING,
    MachineStatus.BUILDING: NodeStatus.BUILDING,
    MachineStatus.UP: NodeStatus.UP,
    MachineStatus.FAILED: NodeStatus.FAILED,
    MachineStatus.LEAVING: NodeStatus.LEAVING,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """How long a deployment waits, in seconds.

    :param provision: for a machine to answer, or to go.
    :param gather: after a machine answers, for the next one to be
        configured in the same run.
    :param order: after a cluster was ordered, for its making to begin.
    """

    provision: float
    gather: float
    order: float


@dataclasses.dataclass(frozen=True, slots=True)
class Tools:
    """What carrying out a deployment takes.

    :param now: the time, UTC without saying so.
    """

    backend: Backend
    runner_of: Callable[[str], runners.ElementRunner]
    load: Callable[[str], Blueprint]
    element_of: ElementOf
    vault: Vault
    permit: Permit
    limits: Limits
    now: Callable[[], datetime.datetime]


@dataclasses.dataclass(frozen=True)
class Situation:
    """What one look found.

    :param blueprint: with just the elements that are to be on the cluster.
    :param wish: what is wanted, as nodes and backends remember it.
    """

    recorded: Snapshot
    infra: Infra
    blueprint: Blueprint
    wanted: Wanted
    observed: Observed
    wish: Wish


class Lookout:
    """Makes a :class:`Situation` of a cluster as often as it is asked."""

    def __init__(self, ledger: Ledger, tools: Tools) -> None:
        self._ledger = ledger
        self._permit = tools.permit
        self._backend = tools.backend
        self._load = tools.load
        self._element_of = tools.element_of
        self._pins = Pins(tools.load, tools.element_of)
        self._runner_of = tools.runner_of
        self._vault = tools.vault
        self._told = ''
        #: What the backend said last, before anything was made of it.
        self.seen = Infra(InfraStatus.GONE)
        #: Whether machines are up that do not let anybody in yet.
        self.knocking = False

    def unmoved(self, ref: str) -> bool:
        """Whether the backend says just what it said at the last look.

        :raises BackendUnavailable: it does not say anything.
        """
        return self._backend.observe(ref) == self.seen

    def look(self, deployment_id: str, recorded: Snapshot) -> Situation:
        """Ask the backend; write down what machines did.

        :param recorded: what was read at the beginning of this turn.
        :raises Refused: what is wanted is not what was signed, by now.
        :raises Replayed: it was signed, and is not wanted any more.
        :raises NotForUs: that cannot be told here.
        :raises Unavailable: no key opens the cluster's secrets; only for one
            that is to stay.
        """
        self._judged(recorded)
        state = recorded.cluster.desired
        blueprint = self._blueprint(state)
        if not state.deleted:
            # What goes needs no secret, and goes when they cannot be read.
            self._vault.open(recorded.secrets)
            self._keep(self._vault.complete(blueprint))
        infra = self.seen = self._backend.observe(
            recorded.cluster.backend_ref) if recorded.cluster.backend_ref \
            else Infra(InfraStatus.GONE)
        if not state.deleted:
            _refuse_replay(self._permit.wish, infra.wish)
        self.tell(deployment_id, infra.reason)
        if not state.deleted:
            infra = self._reached(recorded, blueprint, infra)
        if self._record_machines(deployment_id, recorded, infra):
            recorded = self._recorded(deployment_id)
        recorded = dataclasses.replace(
            recorded, nodes=_as_told(recorded.nodes, infra))
        members = records.members(recorded.nodes)
        if not state.deleted:
            self._keep([row for use in blueprint.elements
                        for row in self._vault.certify(use.element,
                                                       members.values())])
        return Situation(
            recorded, infra, blueprint,
            wanting.build(blueprint, state, members, self._vault.versions),
            records.observed(recorded.nodes, recorded.layers,
                             infra.status != InfraStatus.GONE),
            self._permit.wish)

    def _recorded(self, deployment_id: str) -> Snapshot:
        """What is recorded, when it is what was signed.

        :raises LostLease: something newer is wanted.
        """
        recorded = self._ledger.snapshot()
        if recorded.deployment is None \
                or recorded.deployment.id != deployment_id:
            # Whoever holds the lease looks at the newer one.
            raise LostLease(ident=self._ledger.cluster_id)
        self._judged(recorded)
        return recorded

    def _judged(self, recorded: Snapshot) -> None:
        """Pass when what is wanted is what was signed."""
        self._permit.check(recorded)
        cluster = recorded.cluster
        if cluster.backend_ref:
            # Whose machines are deleted is not the database's word either.
            cluster.backend_ref = self._backend.reference(
                cluster.id, cluster.project_id)

    def _keep(self, fresh: list[models.Secret]) -> None:
        if fresh:
            self._ledger.add_secrets(fresh)

    def _reached(self, recorded: Snapshot, blueprint: Blueprint, infra: Infra
                 ) -> Infra:
        """What the backend says, but only what was reached is UP."""
        known = {(row.name, row.incarnation, row.ref)
                 for row in recorded.nodes
                 if row.status in (NodeStatus.UP, NodeStatus.DRAINED)}
        fresh = {machine.slot for machine in infra.machines
                 if machine.status == MachineStatus.UP and machine.ssh
                 and (machine.slot, machine.incarnation, machine.ref)
                 not in known}
        self.knocking = bool(fresh)
        if not fresh:
            return infra
        hosts = [runners.Host(
            machine.slot, '', machine.address, machine.ssh.host,
            machine.ssh.port, machine.ssh.user, machine.ssh.via,
            machine.ssh.host_key) for machine in infra.machines if machine.ssh]
        silent: dict[str, str] = {}
        for name in sorted({use.element.runner
                            for use in blueprint.elements}):
            said = self._runner_of(name).reach(hosts, fresh,
                                               self._vault.private_key)
            silent |= {slot: why for slot, why in said.items() if why}
        return dataclasses.replace(infra, machines=tuple(
            dataclasses.replace(machine, status=MachineStatus.BUILDING,
                                fault=silent[machine.slot])
            if machine.slot in silent else machine
            for machine in infra.machines))

    def tell(self, deployment_id: str, reason: str) -> None:
        """Pass on what takes a backend long, once."""
        if reason and reason != self._told:
            self._ledger.journal([{'deployment_id': deployment_id,
                                   'kind': 'deployment',
                                   'message': reason}], {}, {})
        self._told = reason

    def _blueprint(self, state: State) -> Blueprint:
        """The cluster's blueprint, with the elements it is to have.

        A cluster that is to go needs none; whatever became of its blueprint,
        it goes.

        :raises NotAsOrdered: it is another one here.
        :raises Unread: it cannot be read just now.
        """
        ref = state.blueprint_ref
        try:
            blueprint = self._load(ref)
            moved = '' if state.deleted else self._pins.moved(
                state, blueprint)
            if moved:
                raise NotAsOrdered(reason=f'{moved} when it was ordered')
            return elements.composed(blueprint, state, self._element_of)
        except (NotFound, Unread):
            if not state.deleted:
                raise
            return _nothing(state)

    def _record_machines(self, deployment_id: str, recorded: Snapshot,
                         infra: Infra) -> bool:
        """Write down what changed about machines; whether anything did."""
        rows = {row.name: row for row in recorded.nodes}
        groups = {name: group for name, (group, _) in
                  recorded.cluster.desired.slots.items()}
        changed = []
        for machine in infra.machines:
            row = rows.get(machine.slot)
            values = _columns(machine, groups, row)
            if row is None or any(getattr(row, name) != value
                                  for name, value in values.items()):
                changed.append(values)
        there = {machine.slot for machine in infra.machines}
        gone = [name for name in rows if name not in there]
        if changed or gone:
            self._ledger.nodes.record(deployment_id, changed, gone)
        return bool(changed or gone)


def _refuse_replay(wish: Wish, newest: Wish) -> None:
    """Pass, or raise Replayed, by what the machines were changed for last.

    A cluster that is to go goes: that cannot be taken back, so nothing is
    newer.
    """
    if wish.replays(newest):
        raise Replayed(reason=(
            f'Its machines were changed for generation {newest.generation} '
            'of what is wanted, and the database says '
            + (f'{wish.generation}.' if wish.generation < newest.generation
               else 'something else of the same generation.')))


def _as_told(rows: Iterable[models.Node], infra: Infra
             ) -> list[models.Node]:
    """Nodes with identities and addresses as the backend has just told them.

    Where the cluster's key is used, and whose host key is taken, is never
    the database's word. A node that the backend does not know is none.
    """
    told = {machine.slot: machine for machine in infra.machines}
    nodes = [row for row in rows if row.name in told]
    for row in nodes:
        machine = told[row.name]
        row.incarnation, row.ref = machine.incarnation, machine.ref
        row.address, row.ssh = machine.address, _ssh(machine)
    return nodes


def _ssh(machine: Machine) -> dict[str, Any]:
    # Not asdict(): it copies every text, which shows on a thousand machines.
    return {name: getattr(machine.ssh, name) for name in _SSH} \
        if machine.ssh else {}


def slots_to_ask_for(situation: Situation, steps: Plan, only_release: bool
           ) -> tuple[Slot, ...]:
    """The slots to ask the backend for at this point of the plan.

    Nodes that are to go stay until they are drained and the others have been
    told; one that is replaced goes as soon as it is drained.
    """
    wanted = backends.slots_of(situation.recorded.cluster.desired)
    if only_release:
        return wanted
    draining = {node for step in steps if step.kind == StepKind.DRAIN
                for node, _, _ in step.layers}
    old = {node.name: Slot(node.name, node.group, node.incarnation)
           for node in situation.observed.nodes.values()
           if node.name not in situation.wanted.members
           or node.name in draining}
    return (*(old.pop(slot.name, slot) for slot in wanted), *old.values())


def _nothing(state: State) -> Blueprint:
    """In the place of a blueprint that is not there any more."""
    return Blueprint(
        name=state.blueprint, version=state.version, label='',
        description='', folder=pathlib.Path('/nonexistent'), digest='',
        parameters={}, node_groups=(), infrastructure={})


def _columns(machine: Machine, groups: Mapping[str, str], row: Any
             ) -> dict[str, Any]:
    """A machine as its row has it."""
    status = _NODE_STATUS[machine.status]
    if row is not None and row.incarnation == machine.incarnation \
            and row.ref == machine.ref \
            and row.status == NodeStatus.DRAINED and status == NodeStatus.UP:
        # The backend does not know that its work was moved off.
        status = NodeStatus.DRAINED
    return {
        'name': machine.slot, 'incarnation': machine.incarnation,
        'group': groups.get(machine.slot, row.group if row else
                            machine.slot.rpartition('-')[0]),
        'status': status, 'ref': machine.ref, 'address': machine.address,
        'ssh': _ssh(machine), 'fault': sentence(machine.fault)}
