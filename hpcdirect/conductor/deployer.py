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

"""Converges one cluster: look, plan, do what can begin, look again.

Create, scale, update, retry and delete all come through here; they differ
only in what is wanted. Nothing is remembered between two looks that is not
in the database or to be seen in the machines, so a conductor that dies at
any line is followed by one that makes the same plan.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools
import logging
import threading
import time
from typing import Any

from oslo_context import context
from oslo_db import exception as db_exc

from hpcdirect.backends import request as infra_request
from hpcdirect.backends.base import Backend
from hpcdirect.backends.base import InfraStatus
from hpcdirect.backends.base import MachineStatus
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.conductor import check
from hpcdirect.conductor import facts
from hpcdirect.conductor import failures
from hpcdirect.conductor import retreat
from hpcdirect.conductor.batch import BatchWork
from hpcdirect.conductor.batch import Line
from hpcdirect.conductor.batch import Order
from hpcdirect.conductor.draft import Draft
from hpcdirect.conductor.permission import Permit
from hpcdirect.conductor.situation import Lookout
from hpcdirect.conductor.situation import Situation
from hpcdirect.conductor.situation import slots_to_ask_for
from hpcdirect.conductor.vault import Vault
from hpcdirect.db.ledger import Ledger
from hpcdirect.db.ledger import Snapshot
from hpcdirect.exception import BackendUnavailable
from hpcdirect.exception import HPCDirectError
from hpcdirect.exception import LostLease
from hpcdirect.exception import NotFound
from hpcdirect.exception import PluginError
from hpcdirect.failpoints import failpoint
from hpcdirect.planning.batches import next_batch
from hpcdirect.planning.composition import ElementOf
from hpcdirect.planning.plan import Plan
from hpcdirect.planning.plan import Step
from hpcdirect.planning.plan import plan
from hpcdirect.runners import base as runners
from hpcdirect.states import DeploymentStatus
from hpcdirect.states import LayerState
from hpcdirect.states import NodeStatus
from hpcdirect.states import Operation
from hpcdirect.states import StepKind
from hpcdirect.states import WorkStatus

LOG = logging.getLogger(__name__)

_MACHINES = (StepKind.PROVISION, StepKind.RELEASE)
_DONE = {StepKind.PROVISION: 'up', StepKind.RELEASE: 'gone'}
#: Seconds until a cloud that did not answer is asked again.
_SILENCE = 3.0
#: A runner's process that is killed is started again; so many times.
_DEATHS = 3
#: Seconds until it is asked again for what is to go.
_AGAIN = 10.0


@dataclasses.dataclass(frozen=True)
class Limits:
    """How long a deployment waits, in seconds.

    :param provision: for a machine to answer.
    :param gather: after the first machine answers, for the others to be
        configured in the same run.
    """

    provision: float
    gather: float


class Failed(Exception):
    """The deployment cannot go on; carries the failures as the API shows."""

    def __init__(self, failures: list[dict[str, Any]]) -> None:
        super().__init__(*(failure['message'] for failure in failures))
        self.failures = failures


class Deployer:
    """Carries one deployment of one cluster to its end.

    :param lost: True once the lease is gone; everything stops then.
    """

    def __init__(self, ledger: Ledger, backend: Backend,
                 runner_of: Callable[[str], runners.ElementRunner],
                 load: Callable[[str], Blueprint], element_of: ElementOf,
                 vault: Vault, permit: Permit,
                 limits: Limits, lost: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._backend = backend
        self._runner_of = runner_of
        self._element_of = element_of
        self._draft = Draft(vault, element_of, backend.offers_volumes)
        self._lookout = Lookout(ledger, backend, load, element_of, runner_of,
                                vault, permit)
        self._vault = vault
        self._limits = limits
        self._lost = lost
        self._changed = threading.Event()
        self._works: dict[BatchWork, threading.Thread] = {}
        self._failures: list[dict[str, Any]] = []
        # Why the change was halted whose nodes are put back now.
        self._halted: list[dict[str, Any]] = []
        self._checking = False
        self._deaths = 0
        self._asked_for: object = None
        self._asked_at = 0.0
        self._begun = time.monotonic()
        self._first_up: float | None = None
        self._silent_since: float | None = None
        # The database went away under a batch: as if we had died there.
        self._unrecorded: db_exc.DBError | None = None
        self._generation = 0

    def nudge(self) -> None:
        """Something may have changed: look now, not later."""
        self._changed.set()

    def advance(self, deployment_id: str) -> float | None:
        """Go on until done or until only waiting is left.

        :returns: seconds after which to call again; None when it is over.
        :raises LostLease: another conductor goes on.
        """
        try:
            while True:
                self._changed.clear()
                if self._unrecorded is not None:
                    raise self._unrecorded
                # Who was at work before the look: what they have done
                # meanwhile is not in it, and must not be done again.
                busy = self._at_work()
                situation = self._lookout.look(deployment_id)
                self._silent_since = None
                self._take_over(deployment_id, situation.recorded)
                situation, steps = self._plan(situation)
                self._note(deployment_id, situation, steps)
                if not steps and not self._works:
                    if self._halted:
                        raise Failed([])
                    self._agree(situation)
                    self._finish(deployment_id, situation)
                    return None
                self._check(situation, steps)
                self._machines(deployment_id, situation, steps)
                self._start(deployment_id, situation, steps, busy)
                if not self._works and not busy:
                    return self._pause()
                # A batch that ends wakes us; machines are looked at anyway.
                self._changed.wait(self._pause())
        except BackendUnavailable as exc:
            return self._patient(deployment_id, exc)
        except (Failed, NotFound, PluginError) as exc:
            self._end_works()
            found = exc.failures if isinstance(
                exc, Failed) else [failures.plain(str(exc))]
            if found and not self._checking and self._ledger.halt(
                    deployment_id, found):
                failpoint('halted')
                self._failures = []
                return 0.0
            self._give_up(deployment_id, [*self._halted, *found],
                          '' if found else failures.put_back(
                              node for row in self._ledger.snapshot().steps
                              if row.reason == retreat.REASON
                              for node in row.nodes))
            return None
        except BaseException:
            self._end_works()
            raise

    def _take_over(self, deployment_id: str, recorded: Snapshot) -> None:
        """From now on batches work for this generation of the wish.

        Unless it is another deployment's: batches end by seeing that theirs
        is no longer the newest, and would see nothing.
        """
        deployment = recorded.deployment
        if deployment is None or deployment.id != deployment_id:
            # Superseded: whoever holds the lease looks at the newer one.
            raise LostLease(ident=recorded.cluster.id)
        self._generation = recorded.cluster.generation

    def _plan(self, situation: Situation) -> tuple[Situation, Plan]:
        """What to do: reach what is wanted, or put a failed wave back."""
        deployment = situation.recorded.deployment
        self._halted = list(deployment.failures) if deployment else []
        if self._halted:
            return retreat.as_it_was(situation, self._element_of)
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
                self._failures)
            if found:
                raise Failed(found)

    def _patient(self, deployment_id: str, problem: BackendUnavailable
                 ) -> float | None:
        """A cloud that does not answer is asked again for a while.

        What runs on the machines goes on; it ends when it ends.
        """
        now = time.monotonic()
        self._silent_since = self._silent_since or now
        if now - self._silent_since > self._limits.provision:
            self._end_works()
            self._give_up(deployment_id, [failures.plain(str(problem))])
            return None
        self._lookout.tell(deployment_id, f'{problem} Trying again.')
        return _SILENCE

    # -- the plan as the owner sees it ------------------------------------

    def _note(self, deployment_id: str, situation: Situation, steps: Plan
              ) -> None:
        """Keep the recorded steps true to the plan."""
        recorded = situation.recorded
        shown = [_shown(step) for step in steps]
        if (recorded.deployment is not None and recorded.deployment.status
                == DeploymentStatus.QUEUED):
            self._ledger.begin(deployment_id, shown)
            return
        # What is put back has steps of its own.
        there = {(row.kind, row.element): row for row in recorded.steps
                 if not self._halted or row.reason == retreat.REASON}
        new = [step for step in shown
               if (step['kind'], step['element']) not in there]
        if new:
            self._ledger.add_steps(deployment_id, len(recorded.steps), new)
        left = {(step.kind.value, step.element) for step in steps}
        self._ledger.mark_steps(deployment_id, {
            row.id: WorkStatus.SUCCEEDED for key, row in there.items()
            if key not in left
            and row.status in (WorkStatus.WAITING, WorkStatus.RUNNING)})

    def _finish(self, deployment_id: str, situation: Situation) -> None:
        failpoint('before-end')
        if situation.wanted.deleted:
            self._ledger.gone(deployment_id)
        else:
            self._ledger.finish(deployment_id,
                                outputs=situation.wanted.outputs)

    def _give_up(self, deployment_id: str, found: list[dict[str, Any]],
                 more: str = '') -> None:
        self._ledger.finish(deployment_id, failures=found,
                            reason=failures.sentence(found[0], more))

    # -- failing ----------------------------------------------------------

    def _check(self, situation: Situation, steps: Plan) -> None:
        """Stop when a batch or a machine failed, or waiting took too long."""
        if self._checking:
            return
        if self._failures and not self._works:
            raise Failed(self._failures)
        asked = self._asked_for is not None
        found = [failures.of_machine(machine.slot, machine.fault)
                 for machine in situation.infra.machines
                 if asked and machine.status == MachineStatus.FAILED
                 and machine.slot in situation.wanted.members]
        if asked and situation.infra.status == InfraStatus.FAILED \
                and not found:
            found = [failures.of_machine('', situation.infra.reason)]
        waited = time.monotonic() - self._begun
        late = [step for step in steps if step.kind in _MACHINES]
        if late and not found and waited > self._limits.provision:
            heard = functools.partial(failures.last_heard, situation)
            found = [failures.of_machine(
                name, f'The machine was not {_DONE[late[0].kind]} within '
                f'{self._limits.provision:.0f} s{heard(name)}.')
                for name in late[0].nodes or ('',)]
        if found and not self._works:
            raise Failed(found)

    # -- machines ---------------------------------------------------------

    def _machines(self, deployment_id: str, situation: Situation,
                  steps: Plan) -> None:
        """Ask the backend for machines to come or to go."""
        kinds = {step.kind for step in steps}
        if not kinds & set(_MACHINES) or self._failures:
            return
        recorded = situation.recorded
        if situation.wanted.deleted:
            self._begin_step(deployment_id, recorded, StepKind.RELEASE)
            # Once more now and then: something may have come up meanwhile.
            if self._asked_for != 'delete' or (
                    time.monotonic() - self._asked_at > _AGAIN):
                self._asked_for, self._asked_at = 'delete', time.monotonic()
                self._backend.delete(recorded.cluster.backend_ref)
                failpoint('release-begun')
            return
        only_release = kinds == {StepKind.RELEASE} and not self._works
        slots = slots_to_ask_for(situation, steps, only_release)
        absent = any(machine.status == MachineStatus.ABSENT
                     for machine in situation.infra.machines)
        if StepKind.PROVISION not in kinds and not only_release:
            return
        self._begin_step(deployment_id, recorded, StepKind.RELEASE
                         if only_release else StepKind.PROVISION)
        if slots == self._asked_for and not absent:
            return
        cluster = recorded.cluster
        ref = self._backend.reference(cluster.id, cluster.project_id)
        if cluster.backend_ref != ref:
            self._ledger.backend_ref(ref)
        self._backend.ensure(infra_request.build(
            situation.blueprint, cluster.desired, self._backend.name, slots,
            cluster_id=cluster.id, cluster_name=cluster.name,
            project_id=cluster.project_id,
            public_key=self._vault.public_key))
        # Not before: a cloud that did not answer is asked again.
        self._asked_for = slots
        failpoint('boot-begun')

    def _begin_step(self, deployment_id: str, recorded: Snapshot,
                    kind: StepKind) -> None:
        self._ledger.mark_steps(deployment_id, {
            row.id: WorkStatus.RUNNING for row in recorded.steps
            if row.kind == kind and row.status == WorkStatus.WAITING})

    # -- runner work ------------------------------------------------------

    def _at_work(self) -> set[str]:
        return {node for work in list(self._works) for node in work.nodes}

    def _start(self, deployment_id: str, situation: Situation, steps: Plan,
               busy: set[str]) -> None:
        """Start the batch that can begin, if any.

        :param busy: nodes that were at work when *situation* was seen.
        """
        if (self._failures and not self._checking) \
                or situation.wanted.deleted or self._gathering(situation):
            return
        batch = next_batch(steps, situation.wanted, situation.observed,
                           busy | self._at_work())
        if not batch:
            return
        if self._checking:
            # One at a time: a node that fails in one is asked for the next.
            batch = batch[:1]
        # Steps that came with this very look are read back with their ids.
        rows = {(row.kind, row.element): row.id
                for row in self._ledger.snapshot().steps}
        by_runner: dict[str, list[Line]] = {}
        for portion in batch:
            line = self._draft.line(situation, portion, rows[
                portion.step.kind.value, portion.step.element])
            by_runner.setdefault(line.element.runner, []).append(line)
            if len(by_runner) > 1:
                # The order holds: another runner's lines are for later.
                by_runner.pop(line.element.runner)
                break
        (name, lines), = by_runner.items()
        touched = {node for line in lines for node in line.portion.nodes}
        work = BatchWork(self._ledger, self._runner_of(name), Order(
            deployment_id, situation.recorded.cluster.project_id,
            tuple(lines), facts.hosts(
                situation.recorded.nodes, touched, situation.blueprint,
                self._vault), self._vault.private_key,
            situation.wanted.layers, situation.observed.layers))
        thread = threading.Thread(target=self._carry_out, args=(
            work, context.get_current()),
                                  name=f'batch-{lines[0].run_id[:8]}',
                                  daemon=True)
        self._works[work] = thread
        thread.start()

    def _gathering(self, situation: Situation) -> bool:
        """Whether to wait a moment for machines that are nearly up."""
        nodes = [situation.observed.nodes.get(name)
                 for name in situation.wanted.members]
        up = [node for node in nodes if node and node.status != (
            NodeStatus.BUILDING)]
        if not up or len(up) == len(nodes):
            return not up
        if self._first_up is None:
            self._first_up = time.monotonic()
        return time.monotonic() - self._first_up < self._limits.gather

    def _carry_out(self, work: BatchWork,
                   whose: context.RequestContext | None) -> None:
        """A batch's own thread; its log lines say whose work it is."""
        if whose is not None:
            whose.update_store()
        try:
            work.carry_out(self._stopped)
            self._deaths += work.died
            if not work.died or self._deaths > _DEATHS:
                self._failures += work.failures
            else:
                LOG.warning('A run\'s process was killed; it is done again: '
                            '%s', work.failures)
        except LostLease:
            LOG.info('Stopped: another conductor has the cluster.')
        except db_exc.DBError as exc:
            LOG.warning('A batch could not be recorded: %s', exc)
            self._unrecorded = exc
        except HPCDirectError as exc:
            self._failures.append(failures.plain(str(exc)))
        except Exception:
            LOG.exception('A batch ended by a bug.')
            self._failures.append(failures.plain(
                'The runner ended by an error of hpcdirect itself; the '
                'conductor\'s log has it.'))
        finally:
            self._works.pop(work, None)
            self._changed.set()

    def _stopped(self) -> bool:
        """Whether a batch must end: lease lost, or something newer wanted."""
        return self._lost() or (
            self._generation != self._ledger.generation())

    def _end_works(self) -> None:
        for thread in list(self._works.values()):
            thread.join()

    def _pause(self) -> float:
        """How long to wait for machines: a tenth of the time gone by."""
        return min(5.0, max(0.1, (time.monotonic() - self._begun) / 10))


def interrupt(ledger: Ledger, recorded: Snapshot,
              runner_of: Callable[[str], runners.ElementRunner]) -> None:
    """End what an earlier owner of the cluster left running."""
    for run in recorded.open_runs:
        if run.process:
            try:
                runner_of(run.runner).stop(runners.Process(**run.process))
            except PluginError:
                LOG.exception('Run %s could not be ended.', run.id)
                raise
    if recorded.open_runs or any(
            row.state in (LayerState.APPLYING, LayerState.REVERTING)
            for row in recorded.layers):
        ledger.interrupt(run.id for run in recorded.open_runs)


def _shown(step: Step) -> dict[str, Any]:
    return {'kind': step.kind.value, 'element': step.element,
            'nodes': list(step.nodes), 'reason': step.reason}
