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

"""Converges one cluster, turn by turn: look, plan, do what can begin.

Create, scale, update, retry and delete all come through here; they differ
only in what is wanted. A turn never waits: it says when the next one is due,
and a batch that ends asks for one by itself. What decides how a deployment
goes is in the database or to be seen in the machines, so a conductor that
dies at any line is followed by one that makes the same plan.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import logging
import time
from typing import Any

from hpcdirect.backends.base import MachineStatus
from hpcdirect.conductor import check
from hpcdirect.conductor import failures
from hpcdirect.conductor import retreat
from hpcdirect.conductor.batch import BatchWork
from hpcdirect.conductor.holds import Held
from hpcdirect.conductor.inputs import Inputs
from hpcdirect.conductor.machines import Machines
from hpcdirect.conductor.situation import Lookout
from hpcdirect.conductor.situation import Situation
from hpcdirect.conductor.situation import Tools
from hpcdirect.conductor.works import Works
from hpcdirect.db.ledger import Ledger
from hpcdirect.db.ledger import Snapshot
from hpcdirect.exception import BackendUnavailable
from hpcdirect.exception import LostLease
from hpcdirect.exception import NotFound
from hpcdirect.exception import PluginError
from hpcdirect.exception import Unread
from hpcdirect.planning.batches import next_batch
from hpcdirect.planning.plan import Plan
from hpcdirect.planning.plan import PlanStep
from hpcdirect.planning.plan import plan
from hpcdirect.states import DeploymentStatus
from hpcdirect.states import Operation
from hpcdirect.states import StepKind
from hpcdirect.states import WorkStatus

LOG = logging.getLogger(__name__)

_MACHINES = (StepKind.PROVISION, StepKind.RELEASE)
#: Seconds until a cloud that did not answer is asked again.
_SILENCE = 3.0
#: Seconds until a turn while batches run and no machine is awaited: a batch
#: that ends makes it sooner.
_WORKING = 60.0


class Failed(Exception):
    """The deployment cannot go on; carries the failures as the API shows."""

    def __init__(self, failures: list[dict[str, Any]]) -> None:
        super().__init__(*(failure['message'] for failure in failures))
        self.failures = failures


class Deployer:
    """Carries one deployment of one cluster to its end.

    :param held: says when everything must stop, and what is wanted newest.
    :param wake: asks for a turn of a cluster; never waits.
    """

    def __init__(self, ledger: Ledger, tools: Tools, held: Held,
                 wake: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._held = held
        self._wake = wake
        self._runner_of = tools.runner_of
        self._element_of = tools.element_of
        self._vault = tools.vault
        self._limits = tools.limits
        self._inputs = Inputs(tools.vault, tools.element_of,
                              tools.backend.offers_volumes)
        self._lookout = Lookout(ledger, tools)
        self._machines = Machines(ledger, tools)
        self._works = Works(self._superseded, self._work_ended)
        self._begun = time.monotonic()
        self._silent_since: float | None = None
        self._generation = 0
        self._checking = False
        # Why the change was halted whose nodes are put back now.
        self._halted: list[dict[str, Any]] = []
        # What it ends with as soon as nothing runs any more.
        self._conclusion: list[dict[str, Any]] | None = None
        # The backend's name for what was seen when a turn had nothing to do.
        self._quiet = ''

    @property
    def at_work(self) -> bool:
        """Whether a batch is under way."""
        return bool(self._works)

    @property
    def busy(self) -> frozenset[str]:
        """Names of the nodes that a batch is at work on."""
        return self._works.nodes()

    def end(self) -> None:
        """Let everything that runs end soon; never waits."""
        self._works.end()

    def join(self, seconds: float) -> None:
        """Wait until nothing runs any more, for some seconds at most."""
        self._works.join(seconds)

    def glance(self) -> float | None:
        """A turn that only looks whether there is anything to look at.

        :returns: seconds until the next one; None when a whole turn is due.
        """
        if not self._quiet or self._works or self._superseded() \
                or self._machines.patience() <= 0:
            return None
        try:
            unmoved = self._lookout.unmoved(self._quiet)
        except PluginError:
            return None
        return self._pause() if unmoved else None

    def advance(self, recorded: Snapshot, busy: frozenset[str]
                ) -> float | None:
        """One turn: look, plan, do what can begin.

        :param recorded: the cluster with this very deployment.
        :param busy: the nodes that were :attr:`busy` before it was read.
        :returns: seconds until the next one; None when it is over.
        :raises LostLease: another conductor goes on.
        """
        self._quiet = ''
        if self._works.unrecorded is not None:
            raise self._works.unrecorded
        self._generation = recorded.cluster.generation
        ident = _ident(recorded)
        try:
            if self._conclusion is None:
                return self._turn(ident, recorded, busy)
        except (BackendUnavailable, Unread) as exc:
            self._conclusion = self._patient(ident, exc)
            if self._conclusion is None:
                return _SILENCE
        except (Failed, NotFound, PluginError) as exc:
            self._conclusion = exc.failures if isinstance(
                exc, Failed) else [failures.plain(str(exc))]
        return self._conclude(ident, recorded, self._conclusion)

    def _turn(self, ident: str, recorded: Snapshot, busy: frozenset[str]
              ) -> float | None:
        wrote = self._ledger.writes
        situation = self._lookout.look(ident, recorded)
        self._silent_since = None
        situation, steps = self._plan(situation)
        situation = self._note(ident, situation, steps)
        if not steps and not busy:
            if self._halted:
                raise Failed([])
            self._agree(situation)
            self._finish(ident, situation)
            return None
        failed = self._failed(situation)
        if not busy:
            self._check(situation, steps, failed)
        if not failed:
            self._machines.ask(ident, situation, steps, bool(busy))
        gathering = self._machines.gathering(situation)
        if not gathering and not situation.wanted.deleted and (
                not failed or self._checking):
            while self._start(ident, situation, steps, busy):
                pass
        if gathering:
            return min(gathering, self._pause())
        awaited = any(step.kind in _MACHINES for step in steps)
        if busy or self._works:
            # One that ends, or has ended since, wakes the cluster.
            return self._pause() if awaited else _WORKING
        if self._ledger.writes == wrote and self._patiently(situation):
            self._quiet = recorded.cluster.backend_ref
        return self._pause()

    def _patiently(self, situation: Situation) -> bool:
        """Whether nothing is to be done until the backend says otherwise."""
        return not (situation.wanted.deleted or self._lookout.knocking or any(
            machine.status == MachineStatus.ABSENT
            for machine in situation.infra.machines))

    def _plan(self, situation: Situation) -> tuple[Situation, Plan]:
        """What to do: reach what is wanted, or put a failed wave back."""
        deployment = situation.recorded.deployment
        self._halted = list(deployment.failures) if deployment else []
        if self._halted:
            return retreat.as_it_was(situation, self._element_of,
                                     self._vault.notes)
        steps = plan(situation.wanted, situation.observed)
        self._checking = deployment is not None \
            and deployment.operation == Operation.CHECK
        return situation, check.steps(
            situation, steps) if self._checking else steps

    def _agree(self, situation: Situation) -> None:
        """At the end of a check: fail with all that is not as wanted."""
        if self._checking:
            found = check.disagreements(
                situation, plan(situation.wanted, situation.observed),
                self._failed(situation))
            if found:
                raise Failed(found)

    # -- the plan as the owner sees it ------------------------------------

    def _note(self, ident: str, situation: Situation, steps: Plan
              ) -> Situation:
        """Keep the recorded steps true to the plan.

        :returns: the situation with the steps that are new.
        """
        recorded = situation.recorded
        shown = [_shown(step) for step in steps]
        if (recorded.deployment is not None and recorded.deployment.status
                == DeploymentStatus.QUEUED):
            rows = self._ledger.deployments.begin(ident, shown)
            return dataclasses.replace(situation, recorded=dataclasses.replace(
                recorded, steps=rows))
        # What is put back has steps of its own.
        there = {(row.kind, row.element): row for row in recorded.steps
                 if not self._halted or row.reason == retreat.REASON}
        new = [step for step in shown
               if (step['kind'], step['element']) not in there]
        rows = self._ledger.deployments.add_steps(
            ident, len(recorded.steps), new)
        left = {(step.kind.value, step.element) for step in steps}
        self._ledger.deployments.mark_steps({
            row.id: WorkStatus.SUCCEEDED for key, row in there.items()
            if key not in left
            and row.status in (WorkStatus.WAITING, WorkStatus.RUNNING)})
        return dataclasses.replace(situation, recorded=dataclasses.replace(
            recorded, steps=[*recorded.steps, *rows]))

    # -- ending -----------------------------------------------------------

    def _superseded(self) -> bool:
        """Whether a batch must end: lease lost, or something newer wanted."""
        return self._held.lost or self._held.generation > self._generation

    def _work_ended(self) -> None:
        self._wake(self._ledger.cluster_id)

    def _failed(self, situation: Situation) -> list[dict[str, Any]]:
        """What failed so far, in this direction: on or back."""
        back = {row.id for row in situation.recorded.steps
                if row.reason == retreat.REASON}
        runs = [run for run in situation.recorded.failed_runs
                if (run.step_id in back) == bool(self._halted)]
        deployment = situation.recorded.deployment
        if deployment and deployment.operation == Operation.REPAIR:
            return check.of_repair(runs) + self._works.failures
        return [failure for run in runs
                for failure in run.failures or ()] + self._works.failures

    def _check(self, situation: Situation, steps: Plan,
               failed: list[dict[str, Any]]) -> None:
        """Stop when a batch or a machine failed, or waiting took too long."""
        if self._checking:
            return
        found = failed or self._machines.failed(situation, steps)
        if found:
            raise Failed(found)

    def _patient(self, ident: str, problem: BackendUnavailable | Unread
                 ) -> list[dict[str, Any]] | None:
        """A cloud or a catalogue that is away is asked again for a while.

        What runs on the machines goes on; it ends when it ends.

        :returns: what the deployment fails with when that was long enough.
        """
        now = time.monotonic()
        self._silent_since = self._silent_since or now
        if now - self._silent_since > self._limits.provision:
            return [failures.plain(str(problem))]
        self._lookout.tell(ident, f'{problem} Trying again.')
        return None

    def _conclude(self, ident: str, recorded: Snapshot,
                  found: list[dict[str, Any]]) -> float | None:
        """Fail, once everything that runs has ended; or put back first."""
        if self._works:
            self._works.end()
            return _WORKING
        if found and not self._checking \
                and self._ledger.deployments.halt(ident, found):
            self._conclusion = None
            self._works.again()
            return 0.0
        # Putting back went well when nothing came to what it was halted by.
        back = '' if found else failures.put_back(
            node for row in recorded.steps if row.reason == retreat.REASON
            for node in row.nodes)
        every = [*self._halted, *found]
        self._ledger.deployments.finish(ident, failures=every,
                            reason=failures.sentence(every[0], back))
        return None

    def _finish(self, ident: str, situation: Situation) -> None:
        self._ledger.deployments.finish(
            ident, outputs=situation.wanted.outputs,
            gone=situation.wanted.deleted)

    # -- runner work ------------------------------------------------------

    def _start(self, ident: str, situation: Situation, steps: Plan,
               busy: frozenset[str]) -> bool:
        """Start a batch that can begin; False when there is none.

        :param busy: nodes that were at work when *situation* was seen.
        """
        batch = next_batch(steps, situation.wanted, situation.observed,
                           busy | self._works.nodes())
        if not batch:
            return False
        if self._checking:
            # One at a time: a node that fails in one is asked for the next.
            batch = batch[:1]
        runner, order = self._inputs.order(ident, situation, batch)
        self._works.start(BatchWork(self._ledger, self._runner_of(runner),
                                    order))
        return True

    def _pause(self) -> float:
        """How long to wait for machines: a tenth of the time gone by."""
        return min(5.0, max(0.1, (time.monotonic() - self._begun) / 10))


def _ident(recorded: Snapshot) -> str:
    if recorded.deployment is None:
        raise LostLease(ident=recorded.cluster.id)
    return recorded.deployment.id


def _shown(step: PlanStep) -> dict[str, Any]:
    return {'kind': step.kind.value, 'element': step.element,
            'nodes': list(step.nodes), 'reason': step.reason}
