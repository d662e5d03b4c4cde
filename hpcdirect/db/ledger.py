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

"""What a conductor writes about a cluster it holds, each write fenced.

Every method is one transaction that begins with the fence: once another
conductor has taken the cluster, nothing of this one reaches the database.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import events as journal
from hpcdirect.db import leases
from hpcdirect.db import measures
from hpcdirect.db import models
from hpcdirect.db import plans
from hpcdirect.db.held_layers import NOBODY
from hpcdirect.db.held_layers import Closing
from hpcdirect.db.held_layers import Layer
from hpcdirect.db.held_layers import Layers
from hpcdirect.db.session import Database
from hpcdirect.states import ClusterStatus
from hpcdirect.states import DeploymentStatus
from hpcdirect.states import NodeStatus
from hpcdirect.states import WorkStatus

#: Seconds after which a transaction keeps the lease once more at its end.
_LONG = 1.0


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """All that is recorded of a cluster, read in one transaction.

    :param deployment: the newest one that is not over, or None.
    :param open_runs: runs that were under way when last heard of.
    :param failed_runs: runs of the deployment that failed, the first first.
    """

    cluster: models.Cluster
    deployment: models.Deployment | None
    steps: list[models.Step]
    nodes: list[models.Node]
    layers: list[Layer]
    secrets: list[models.Secret]
    open_runs: list[models.Run]
    failed_runs: list[models.Run]


class Ledger:
    """The fenced pen of one conductor for one cluster.

    :param kept: called after each write, which has kept the lease, with the
        moment before it by the monotonic clock.
    """

    def __init__(self, database: Database, cluster_id: str, epoch: int,
                 kept: Callable[[float], None] = lambda _: None) -> None:
        self._database = database
        self._kept = kept
        self.cluster_id = cluster_id
        self.epoch = epoch
        #: How often anything was written.
        self.writes = 0
        self._project_id = ''
        self._layers = Layers(cluster_id)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[orm.Session]:
        begun = time.monotonic()
        with self._database.write() as session:
            leases.fence(session, self.cluster_id, self.epoch)
            yield session
            if time.monotonic() - begun > _LONG:
                # Others may take the cluster the moment this is committed.
                begun = time.monotonic()
                leases.fence(session, self.cluster_id, self.epoch)
        self.writes += 1
        self._kept(begun)

    # -- reading ----------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Read it all; detached rows."""
        with self._database.read() as session:
            cluster = session.get_one(models.Cluster, self.cluster_id)
            deployment = session.scalars(
                sa.select(models.Deployment).where(
                    models.Deployment.cluster_id == self.cluster_id,
                    models.Deployment.status.in_((
                        DeploymentStatus.QUEUED, DeploymentStatus.RUNNING)),
                ).order_by(models.Deployment.created_at.desc(),
                           models.Deployment.generation.desc())).first()
            steps = self._all(session, models.Step, models.Step.deployment_id
                              == (deployment.id if deployment else ''))
            steps.sort(key=lambda step: step.position)
            snapshot = Snapshot(
                cluster, deployment, steps,
                self._mine(session, models.Node),
                self._layers.read(session),
                self._mine(session, models.Secret),
                self._all(session, models.Run,
                          models.Run.cluster_id == self.cluster_id,
                          models.Run.status.in_((WorkStatus.WAITING,
                                                 WorkStatus.RUNNING))),
                list(session.scalars(sa.select(models.Run).where(
                    models.Run.deployment_id == deployment.id,
                    models.Run.status == WorkStatus.FAILED,
                ).order_by(models.Run.finished_at))) if deployment else [])
            session.expunge_all()
            return snapshot

    def _mine(self, session: orm.Session, model: type[Any]) -> list[Any]:
        return self._all(session, model,
                         model.cluster_id == self.cluster_id)

    @staticmethod
    def _all(session: orm.Session, model: type[Any], *where: Any
             ) -> list[Any]:
        return list(session.scalars(sa.select(model).where(*where)))

    # -- deployments and steps --------------------------------------------

    def begin(self, deployment_id: str, plan: list[dict[str, Any]]
              ) -> list[models.Step]:
        """A deployment starts: its plan is kept, its steps are made.

        :returns: the steps.
        """
        with self._writing() as session:
            deployment = session.get_one(models.Deployment, deployment_id)
            deployment.status = DeploymentStatus.RUNNING
            deployment.started_at = models.now()
            deployment.plan = plan
            measures.begun(session, deployment)
            # It was left to others perhaps, which is over.
            session.get_one(models.Cluster,
                            self.cluster_id).status_reason = ''
            self._event(session, deployment_id, kind='deployment',
                        message=f'{deployment.operation} begins: '
                        f'{len(plan)} steps')
            return self._add_steps(session, deployment, 0, plan)

    def add_steps(self, deployment_id: str, position: int,
                  plan: list[dict[str, Any]]) -> list[models.Step]:
        """Steps that were not foreseen when the deployment began.

        :returns: the steps.
        """
        if not plan:
            return []
        with self._writing() as session:
            return self._add_steps(session, session.get_one(
                models.Deployment, deployment_id), position, plan)

    @staticmethod
    def _add_steps(session: orm.Session, deployment: models.Deployment,
                   position: int, plan: list[dict[str, Any]]
                   ) -> list[models.Step]:
        usual = plans.usual(session, deployment.project_id, [
            (step['kind'], step['element']) for step in plan])
        rows = [models.Step(
            deployment_id=deployment.id, position=position + index,
            kind=step['kind'], element=step['element'], nodes=step['nodes'],
            reason=step['reason'], status=WorkStatus.WAITING,
            expected=usual.get((step['kind'], step['element'])))
            for index, step in enumerate(plan)]
        session.add_all(rows)
        session.flush()
        return rows

    def mark_steps(self, deployment_id: str, changes: Mapping[str, WorkStatus]
                   ) -> None:
        """Steps begin or end, by id."""
        if not changes:
            return
        with self._writing() as session:
            for step_id, status in changes.items():
                step = session.get_one(models.Step, step_id)
                self._mark(session, deployment_id, step, status)

    def _mark(self, session: orm.Session, deployment_id: str,
              step: models.Step, status: WorkStatus) -> None:
        if step.status == status:
            return
        step.status = status
        if status == WorkStatus.RUNNING:
            step.started_at = step.started_at or models.now()
        else:
            step.started_at = step.started_at or models.now()
            step.finished_at = models.now()
            measures.step_over(session, step)
        self._event(
            session, deployment_id, kind='step', step_id=step.id,
            element=step.element, verb=step.kind, message=status.value,
            level='error' if status == WorkStatus.FAILED else 'info',
            seconds=(step.finished_at - step.started_at).total_seconds()
            if step.finished_at and step.started_at else None)

    def finish(self, deployment_id: str, reason: str = '',
               failures: Iterable[Mapping[str, Any]] = (),
               outputs: Mapping[str, Any] | None = None,
               gone: bool = False) -> bool:
        """A deployment ends, well unless *failures* says otherwise.

        What ends a deployment and what ends its cluster is one transaction:
        a conductor may be killed at any line, and nobody can ever claim a
        cluster that has gone.

        :param gone: everything of the cluster was seen to be gone.
        :returns: False when something newer is wanted already; the cluster
            keeps its status then.
        """
        failures = [dict(failure) for failure in failures]
        with self._writing() as session:
            deployment = session.get_one(models.Deployment, deployment_id)
            cluster = session.get_one(models.Cluster, self.cluster_id)
            newest = cluster.generation == deployment.generation
            deployment.finished_at = models.now()
            deployment.reason = reason
            deployment.failures = failures
            if deployment.status != DeploymentStatus.SUPERSEDED:
                deployment.status = (
                    DeploymentStatus.FAILED if failures
                    else DeploymentStatus.SUCCEEDED)
                measures.over(session, deployment)
            broken = {failure['step'] for failure in failures}
            for step in self._all(
                    session, models.Step,
                    models.Step.deployment_id == deployment_id,
                    models.Step.status == WorkStatus.RUNNING):
                title = f'{step.kind} {step.element}'.strip()
                self._mark(session, deployment_id, step,
                           WorkStatus.FAILED if title in broken
                           else WorkStatus.INTERRUPTED if failures
                           else WorkStatus.SUCCEEDED)
            self._event(session, deployment_id, kind='deployment',
                        level='error' if failures else 'info',
                        message=reason or deployment.status.lower())
            if gone:
                self._gone(session, deployment_id, cluster)
            elif newest and not cluster.desired.deleted:
                cluster.status = (ClusterStatus.ERROR if failures
                                  else ClusterStatus.ACTIVE)
                cluster.status_reason = reason
                if outputs is not None:
                    cluster.outputs = dict(outputs)
                self._event(session, deployment_id, kind='cluster',
                            message=cluster.status)
            elif newest and failures:
                cluster.status = ClusterStatus.ERROR
                cluster.status_reason = reason
            return newest

    def _gone(self, session: orm.Session, deployment_id: str,
              cluster: models.Cluster) -> None:
        for model in (models.Node, models.Layer, models.Secret):
            session.execute(sa.delete(model).where(
                model.cluster_id == self.cluster_id))
        cluster.status = ClusterStatus.DELETED
        cluster.status_reason = ''
        cluster.deleted = cluster.id
        cluster.due_at = None
        self._event(session, deployment_id, kind='cluster',
                    message=ClusterStatus.DELETED)

    def cancelled(self, deployment_id: str, reason: str) -> None:
        """What went on has been ended, as its owner wished.

        A check changes nothing, so a cluster whose check was ended is what
        it was before.

        :param reason: why a cluster is at fault whose change was ended.
        """
        with self._writing() as session:
            deployment = session.get_one(models.Deployment, deployment_id)
            cluster = session.get_one(models.Cluster, self.cluster_id)
            if cluster.status == ClusterStatus.CHECKING:
                reason = self._fault(session)
            deployment.status = DeploymentStatus.SUCCEEDED
            deployment.reason = reason
            deployment.started_at = deployment.finished_at = models.now()
            measures.over(session, deployment)
            self._event(session, deployment_id, kind='deployment',
                        message=deployment.status.lower())
            if cluster.generation == deployment.generation:
                cluster.status_reason = reason
                cluster.status = (ClusterStatus.ERROR if reason
                                  else ClusterStatus.ACTIVE)
                self._event(session, deployment_id, kind='cluster',
                            message=' '.join(filter(None, (
                                cluster.status, reason))))

    def _fault(self, session: orm.Session) -> str:
        """What the newest deployment that is over left the cluster with.

        :returns: why it is at fault, '' when it is not.
        """
        last = session.scalars(sa.select(models.Deployment).where(
            models.Deployment.cluster_id == self.cluster_id,
            models.Deployment.status.in_((DeploymentStatus.SUCCEEDED,
                                          DeploymentStatus.FAILED)),
        ).order_by(models.Deployment.finished_at.desc()).limit(1)).first()
        return last.reason if last else ''

    def left(self, reason: str) -> bool:
        """The cluster is left to another conductor; its owner is told why.

        :returns: whether that is news.
        """
        with self._writing() as session:
            cluster = session.get_one(models.Cluster, self.cluster_id)
            deployment_id = session.scalars(sa.select(
                models.Deployment.id).where(
                    models.Deployment.cluster_id == self.cluster_id,
                    models.Deployment.status.in_((
                        DeploymentStatus.QUEUED, DeploymentStatus.RUNNING)),
            ).order_by(models.Deployment.created_at.desc())).first() or ''
            if deployment_id:
                cluster.status_reason = reason
            told = session.scalars(sa.select(models.Event.id).where(
                models.Event.cluster_id == self.cluster_id,
                models.Event.deployment_id == deployment_id,
                models.Event.message == reason).limit(1)).first()
            if told is None:
                self._event(session, deployment_id, kind='cluster',
                            level='warning', message=reason)
            return told is None

    def halt(self, deployment_id: str,
             failures: Iterable[Mapping[str, Any]]) -> bool:
        """A change fails while nodes are out of service for it.

        :returns: whether these are to be put back first; False when there
            are none, or when that was tried already.
        """
        with self._writing() as session:
            deployment = session.get_one(models.Deployment, deployment_id)
            names = sorted(row.name for row in self._mine(
                session, models.Node) if row.before is not None)
            if deployment.failures or not names \
                    or deployment.status != DeploymentStatus.RUNNING:
                return False
            deployment.failures = [dict(failure) for failure in failures]
            self._event(session, deployment_id, kind='deployment',
                        level='error', message='halted; put back as they '
                        f'were before: {", ".join(names)}')
            return True

    # -- machines ---------------------------------------------------------

    def backend_ref(self, ref: str) -> None:
        """Record the backend's reference, before the backend is called."""
        with self._writing() as session:
            session.get_one(models.Cluster, self.cluster_id).backend_ref = ref

    def nodes(self, deployment_id: str, changed: Iterable[Mapping[str, Any]],
              gone: Iterable[str] = ()) -> None:
        """Machines came, changed or went.

        :param changed: columns of :class:`models.Node`, ``name`` among them.
        """
        with self._writing() as session:
            rows = {row.name: row for row in self._mine(session, models.Node)}
            for values in changed:
                row = rows.get(values['name'])
                before = (row.status, row.fault) if row else ('', '')
                if row is not None and _other_machine(row, values):
                    # Whatever was on the old one is not on this one.
                    self._layers.drop(session, row.name)
                    row.before = None
                if row is None:
                    row = models.Node(cluster_id=self.cluster_id)
                    session.add(row)
                for name, value in values.items():
                    setattr(row, name, value)
                self._tell_of_node(session, deployment_id, row, before)
            for name in gone:
                if name in rows:
                    session.delete(rows[name])
                    self._event(session, deployment_id, kind='node',
                                node=name, message='GONE')
                self._layers.drop(session, name)

    def rest(self, changed: Iterable[Mapping[str, Any]], reason: str
             ) -> None:
        """A cluster that rests was looked at.

        :param changed: columns of nodes that are not as they were.
        :param reason: what ails it, '' when nothing does.
        """
        with self._writing() as session:
            rows = {row.name: row for row in self._mine(session, models.Node)}
            for values in changed:
                row = rows[values['name']]
                before = (row.status, row.fault)
                row.status, row.fault = values['status'], values['fault']
                self._tell_of_node(session, '', row, before)
            cluster = session.get_one(models.Cluster, self.cluster_id)
            if cluster.status == ClusterStatus.ERROR:
                # Machines that are well do not mend what went wrong.
                return
            cluster.status_reason = reason
            status = (ClusterStatus.DEGRADED if reason
                      else ClusterStatus.ACTIVE)
            if cluster.status != status:
                cluster.status = status
                self._event(session, '', kind='cluster',
                            level='error' if reason else 'info',
                            message=' '.join(filter(None, (status, reason))))

    def _tell_of_node(self, session: orm.Session, deployment_id: str,
                      row: models.Node, before: tuple[str, str]) -> None:
        """An event when a node's status changed or something ails it now."""
        worse = bool(row.fault) and row.status in (NodeStatus.FAILED,
                                                   NodeStatus.UP)
        if row.status != before[0] or (worse and row.fault != before[1]):
            self._event(session, deployment_id, kind='node', node=row.name,
                        message=' '.join(filter(None, (
                            row.status, row.fault if worse else ''))),
                        level='error' if worse else 'info')

    # -- secrets ----------------------------------------------------------

    def add_secrets(self, rows: Iterable[models.Secret]) -> None:
        """Keep newly generated secrets."""
        with self._writing() as session:
            session.add_all(rows)

    # -- runs and layers --------------------------------------------------

    def start_runs(self, runs: Iterable[models.Run],
                   layers: Iterable[Mapping[str, Any]]) -> None:
        """Runs are about to begin: layers are marked before they do.

        :param layers: columns of :class:`models.Layer` with the new state.
        """
        with self._writing() as session:
            session.add_all(runs)
            session.flush()
            self._layers.mark(session, list(layers))

    def process(self, run_ids: Iterable[str], process: Mapping[str, Any]
                ) -> None:
        """Record the process of some runs, before it does anything."""
        with self._writing() as session:
            session.execute(sa.update(models.Run).where(
                models.Run.id.in_(list(run_ids)),
            ).values(process=dict(process)))

    def run_begun(self, deployment_id: str, run_id: str) -> None:
        """A run begins; its step is under way."""
        with self._writing() as session:
            run = session.get_one(models.Run, run_id)
            run.status = WorkStatus.RUNNING
            run.started_at = models.now()
            self._mark(session, deployment_id,
                       session.get_one(models.Step, run.step_id),
                       WorkStatus.RUNNING)

    def run_ended(self, run_id: str, status: WorkStatus,
                  cause: Mapping[str, Any] | None,
                  failures: Iterable[Mapping[str, Any]],
                  layers: Iterable[Mapping[str, Any]],
                  drained: Mapping[str, NodeStatus], whole: bool,
                  closing: Closing = NOBODY) -> None:
        """A run is over: its layers and nodes change in the same moment.

        :param failures: what went wrong, as the API shows it.
        :param whole: it was all of its step, so the step is over as well.
        :param layers: ``id``-less columns of layers: node, element, role and
            what is new; a state of REVERTED removes the layer.
        :param drained: nodes whose status changes by it.
        :param closing: those of them that are to be changed and to work
            again; what is on them is kept as it was before.
        """
        with self._writing() as session:
            run = session.get_one(models.Run, run_id)
            run.status = status
            run.cause = dict(cause) if cause else None
            run.failures = [dict(failure) for failure in failures] or None
            run.process = None
            run.started_at = run.started_at or models.now()
            run.finished_at = models.now()
            if whole and status != WorkStatus.INTERRUPTED:
                self._mark(session, run.deployment_id, session.get_one(
                    models.Step, run.step_id), status)
            self._layers.change(session, layers)
            if drained:
                self._change_nodes(session, drained, closing)

    def _change_nodes(self, session: orm.Session,
                      drained: Mapping[str, NodeStatus],
                      closing: Closing) -> None:
        """Nodes are closed for a change, or work again."""
        before = self._layers.kept(session, closing)
        for node in self._all(session, models.Node, models.Node.cluster_id
                              == self.cluster_id,
                              models.Node.name.in_(list(drained))):
            node.status = drained[node.name]
            node.before = before.get(node.name)

    def interrupt(self, runs: Iterable[str]) -> None:
        """Runs that an earlier conductor left: what they touched is dirty."""
        with self._writing() as session:
            session.execute(sa.update(models.Run).where(
                models.Run.id.in_(list(runs)),
            ).values(status=WorkStatus.INTERRUPTED, process=None,
                     finished_at=models.now()))
            self._layers.interrupted(session)

    # -- events and logs --------------------------------------------------

    def journal(self, events: Iterable[Mapping[str, Any]],
                logs: Mapping[str, str],
                summaries: Mapping[str, Mapping[str, Any]]) -> None:
        """Write a batch of events and stretches of logs.

        :param logs: run id -> text to append.
        :param summaries: run id -> node -> result -> count, as it stands.
        """
        with self._writing() as session:
            project = self._project(session)
            rows = [{'cluster_id': self.cluster_id, 'at': models.now(),
                     'project_id': project, 'level': 'info', **event}
                    for event in events]
            if rows:
                session.execute(sa.insert(models.Event), rows)
                journal.count(session, (
                    (row['kind'], row['level']) for row in rows))
            for run_id in {*logs, *summaries}:
                run = session.get_one(models.Run, run_id)
                run.summary = dict(summaries.get(run_id, run.summary))
                text = logs.get(run_id, '')
                if text:
                    session.add(models.LogChunk(
                        run_id=run_id, start=run.log_size, text=text))
                    run.log_size += len(text)

    def _event(self, session: orm.Session, deployment_id: str, **values: Any
               ) -> None:
        session.add(models.Event(
            cluster_id=self.cluster_id, project_id=self._project(session),
            deployment_id=deployment_id, **values))

    def _project(self, session: orm.Session) -> str:
        """Whose cluster it is; that never changes."""
        self._project_id = self._project_id or session.scalars(
            sa.select(models.Cluster.project_id).where(
                models.Cluster.id == self.cluster_id)).one()
        return self._project_id


def _other_machine(row: models.Node, values: Mapping[str, Any]) -> bool:
    """Whether a slot's machine is another one than before."""
    return bool(row.ref and values['ref'] and row.ref != values['ref'])
