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

"""Asks a backend for a cluster's machines, and sees that they do not come."""

from __future__ import annotations

import functools
import time
from typing import Any

from hpcdirect.backends.base import InfraStatus
from hpcdirect.backends.base import MachineStatus
from hpcdirect.backends.base import request_for
from hpcdirect.conductor import failures
from hpcdirect.conductor.situation import Situation
from hpcdirect.conductor.situation import Tools
from hpcdirect.conductor.situation import slots_to_ask_for
from hpcdirect.db.ledger import Ledger
from hpcdirect.db.ledger import Snapshot
from hpcdirect.digests import digest
from hpcdirect.exception import Replayed
from hpcdirect.planning.plan import Plan
from hpcdirect.states import NodeStatus
from hpcdirect.states import StepKind
from hpcdirect.states import WorkStatus

_MACHINES = (StepKind.PROVISION, StepKind.RELEASE)
_DONE = {StepKind.PROVISION: 'up', StepKind.RELEASE: 'gone'}
#: Seconds until it is asked again for what is to go.
_AGAIN = 10.0
#: How many times as long as for one machine is waited for all together.
_LONGEST = 10


class Machines:
    """The machines of one deployment, as far as its backend is concerned."""

    def __init__(self, ledger: Ledger, tools: Tools) -> None:
        self._ledger = ledger
        self._backend = tools.backend
        self._vault = tools.vault
        self._limits = tools.limits
        self._now = tools.now
        # Digest of what was asked for last; '' before anything was.
        self._asked_for = ''
        self._asked_at = 0.0
        # Nodes that were up at the last look; since when some are waited
        # for, and when the last of them came up, by the monotonic clock.
        self._up: frozenset[str] | None = None
        self._gathering_since: float | None = None
        self._came_at = 0.0
        # Step -> by when, by the monotonic clock, it has to be over.
        self._deadlines: dict[str, float] = {}

    def ask(self, deployment_id: str, situation: Situation, steps: Plan,
            working: bool) -> None:
        """Ask the backend for machines to come or to go.

        :param working: a batch is at work on some of them.
        """
        kinds = {step.kind for step in steps}
        if not kinds & set(_MACHINES):
            return
        recorded = situation.recorded
        if situation.wanted.deleted:
            self._begin_step(deployment_id, recorded, StepKind.RELEASE)
            # Once more now and then: something may have come up meanwhile.
            if self._asked_for != 'delete' or (
                    time.monotonic() - self._asked_at > _AGAIN):
                self._asked_for, self._asked_at = 'delete', time.monotonic()
                self._backend.delete(recorded.cluster.backend_ref)
            return
        only_release = kinds == {StepKind.RELEASE} and not working
        slots = slots_to_ask_for(situation, steps, only_release)
        absent = any(machine.status == MachineStatus.ABSENT
                     for machine in situation.infra.machines)
        if StepKind.PROVISION not in kinds and not only_release:
            return
        self._begin_step(deployment_id, recorded, StepKind.RELEASE
                         if only_release else StepKind.PROVISION)
        asked_for = digest([(slot.name, slot.group, slot.incarnation)
                            for slot in slots])
        if asked_for == self._asked_for and not absent:
            return
        if situation.infra.status == InfraStatus.GONE:
            self._in_time(recorded)
        cluster = recorded.cluster
        ref = self._backend.reference(cluster.id, cluster.project_id)
        if cluster.backend_ref != ref:
            self._ledger.nodes.backend_ref(ref)
        self._backend.ensure(request_for(
            situation.blueprint, cluster.desired, self._backend.name, slots,
            cluster_id=cluster.id, cluster_name=cluster.name,
            project_id=cluster.project_id,
            public_key=self._vault.public_key, wish=situation.wish))
        # Not before: a cloud that did not answer is asked again.
        self._asked_for = asked_for

    def failed(self, situation: Situation, steps: Plan
               ) -> list[dict[str, Any]]:
        """The machines that failed or are late, as the API shows it."""
        asked = bool(self._asked_for)
        found = [failures.of_machine(machine.slot, machine.fault)
                 for machine in situation.infra.machines
                 if asked and machine.status == MachineStatus.FAILED
                 and machine.slot in situation.wanted.members]
        if asked and situation.infra.status == InfraStatus.FAILED \
                and not found:
            found = [failures.of_machine('', situation.infra.reason)]
        return found or self._late(situation, steps)

    def gathering(self, situation: Situation) -> float:
        """Seconds to wait, since another machine may come up by then."""
        nodes = situation.observed.nodes
        up = frozenset(name for name in situation.wanted.members if (
            name in nodes and nodes[name].status != NodeStatus.BUILDING))
        # Those of the first look were there before.
        came, self._up = self._up is not None and up - self._up, up
        now = time.monotonic()
        if came:
            self._came_at = now
            if self._gathering_since is None:
                self._gathering_since = now
        if self._gathering_since is None:
            return 0.0
        left = min(self._came_at + self._limits.gather,
                   self._gathering_since + _LONGEST * self._limits.gather
                   ) - now
        if left > 0 and len(up) < len(situation.wanted.members):
            return left
        self._gathering_since = None
        return 0.0

    def patience(self) -> float:
        """Seconds until the next step is late; unlimited without one."""
        return min(self._deadlines.values(),
                   default=float('inf')) - time.monotonic()

    def _late(self, situation: Situation, steps: Plan
              ) -> list[dict[str, Any]]:
        """What was asked for longer ago than it may take.

        Time counts from when the step began, not the deployment: nodes may
        be drained for hours before one machine is asked to go. What another
        conductor waited for counts, too.
        """
        began = {row.kind: (row.id, row.started_at)
                 for row in situation.recorded.steps if row.kind in _MACHINES
                 and row.status == WorkStatus.RUNNING and row.started_at}
        awaited = [step for step in steps if step.kind in began]
        idents = {began[step.kind][0] for step in awaited}
        self._deadlines = {ident: moment for ident, moment
                           in self._deadlines.items() if ident in idents}
        now = time.monotonic()
        for step in awaited:
            ident, at = began[step.kind]
            gone_by = max(0.0, (self._now() - at).total_seconds())
            deadline = self._deadlines.setdefault(
                ident, now + self._limits.provision - gone_by)
            if now <= deadline:
                continue
            heard = functools.partial(failures.last_heard, situation)
            return [failures.of_machine(
                name, f'The machine was not {_DONE[step.kind]} within '
                f'{self._limits.provision:.0f} s{heard(name)}.', step.kind)
                for name in step.nodes or ('',)]
        return []

    def _in_time(self, recorded: Snapshot) -> None:
        """Pass, or raise: nothing is there that could know of a newer wish.

        :raises Replayed: it was asked for so long ago that a cluster that
            was deleted since may have been put back into the database.
        """
        order = recorded.deployment
        # When it was given is not signed in the way of earlier releases.
        if order is None or '.' not in order.signature:
            return
        if (self._now() - order.created_at).total_seconds() \
                > self._limits.order:
            raise Replayed(reason=(
                'Nothing is there of the cluster, and its making was asked '
                f'for at {order.created_at:%Y-%m-%d %H:%M} UTC, too long ago '
                'to begin with it now. If it is to be made, retry.'))

    def _begin_step(self, deployment_id: str, recorded: Snapshot,
                    kind: StepKind) -> None:
        self._ledger.deployments.mark_steps({
            row.id: WorkStatus.RUNNING for row in recorded.steps
            if row.kind == kind and row.status == WorkStatus.WAITING})
