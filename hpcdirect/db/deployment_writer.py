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

"""How a deployment goes, as its conductor writes it down."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import measures
from hpcdirect.db import models
from hpcdirect.db import plans
from hpcdirect.db.fence import Fence
from hpcdirect.states import ClusterStatus
from hpcdirect.states import DeploymentStatus
from hpcdirect.states import ErrorKind
from hpcdirect.states import FailureCode
from hpcdirect.states import WorkStatus


class DeploymentWriter:
    """Writes deployments, their steps, and how they leave their cluster."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    def begin(self, deployment_id: str, plan: list[dict[str, Any]]
              ) -> list[models.Step]:
        """A deployment starts: its plan is kept, its steps are made.

        :returns: the steps.
        """
        with self._fence.writing() as session:
            deployment = session.get_one(models.Deployment, deployment_id)
            deployment.status = DeploymentStatus.RUNNING
            deployment.started_at = models.now()
            deployment.plan = plan
            measures.begun(session, deployment)
            # It was left to others perhaps, which is over.
            session.get_one(models.Cluster,
                            self._fence.cluster_id).status_reason = ''
            self._fence.event(session, deployment_id, kind='deployment',
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
        with self._fence.writing() as session:
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

    def mark_steps(self, changes: Mapping[str, WorkStatus]) -> None:
        """Steps begin or end, by id."""
        if not changes:
            return
        with self._fence.writing() as session:
            for step_id, status in changes.items():
                mark(self._fence, session,
                     session.get_one(models.Step, step_id), status)

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
        with self._fence.writing() as session:
            deployment = session.get_one(models.Deployment, deployment_id)
            cluster = session.get_one(models.Cluster, self._fence.cluster_id)
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
            for step in session.scalars(sa.select(models.Step).where(
                    models.Step.deployment_id == deployment_id,
                    models.Step.status == WorkStatus.RUNNING)).all():
                title = f'{step.kind} {step.element}'.strip()
                mark(self._fence, session, step,
                     WorkStatus.FAILED if title in broken
                     else WorkStatus.INTERRUPTED if failures
                     else WorkStatus.SUCCEEDED)
            self._fence.event(session, deployment_id, kind='deployment',
                              level='error' if failures else 'info',
                              message=reason or deployment.status.lower())
            if gone:
                self._gone(session, deployment_id, cluster)
            elif newest and (failures or not cluster.desired.deleted):
                self._settle(session, cluster, deployment, outputs)
            return newest

    def _settle(self, session: orm.Session, cluster: models.Cluster,
                deployment: models.Deployment,
                outputs: Mapping[str, Any] | None) -> None:
        """A cluster is as its newest deployment has left it."""
        cluster.status = (ClusterStatus.ERROR if deployment.failures
                          else ClusterStatus.ACTIVE)
        cluster.status_reason = deployment.reason
        cluster.error = _kind(deployment.failures)
        if cluster.desired.deleted:
            return
        if outputs is not None:
            cluster.outputs = dict(outputs)
        self._fence.event(session, deployment.id, kind='cluster',
                          message=cluster.status)

    def _gone(self, session: orm.Session, deployment_id: str,
              cluster: models.Cluster) -> None:
        for model in (models.Node, models.Layer, models.Secret):
            session.execute(sa.delete(model).where(
                model.cluster_id == self._fence.cluster_id))
        cluster.status = ClusterStatus.DELETED
        cluster.status_reason = ''
        cluster.deleted = cluster.id
        cluster.due_at = None
        self._fence.event(session, deployment_id, kind='cluster',
                          message=ClusterStatus.DELETED)

    def cancelled(self, deployment_id: str, reason: str) -> None:
        """What went on has been ended, as its owner wished.

        A check changes nothing, so a cluster whose check was ended is what
        it was before.

        :param reason: why a cluster is at fault whose change was ended.
        """
        with self._fence.writing() as session:
            deployment = session.get_one(models.Deployment, deployment_id)
            cluster = session.get_one(models.Cluster, self._fence.cluster_id)
            if cluster.status == ClusterStatus.CHECKING:
                reason = self._fault(session)
            else:
                cluster.error = ErrorKind.CANCELLED
            deployment.status = DeploymentStatus.SUCCEEDED
            deployment.reason = reason
            deployment.started_at = deployment.finished_at = models.now()
            measures.over(session, deployment)
            self._fence.event(session, deployment_id, kind='deployment',
                              message=deployment.status.lower())
            if cluster.generation == deployment.generation:
                cluster.status_reason = reason
                cluster.status = (ClusterStatus.ERROR if reason
                                  else ClusterStatus.ACTIVE)
                self._fence.event(session, deployment_id, kind='cluster',
                                  message=' '.join(filter(None, (
                                      cluster.status, reason))))

    def _fault(self, session: orm.Session) -> str:
        """What the newest deployment that is over left the cluster with.

        :returns: why it is at fault, '' when it is not.
        """
        last = session.scalars(sa.select(models.Deployment).where(
            models.Deployment.cluster_id == self._fence.cluster_id,
            models.Deployment.status.in_((DeploymentStatus.SUCCEEDED,
                                          DeploymentStatus.FAILED)),
        ).order_by(models.Deployment.finished_at.desc()).limit(1)).first()
        return last.reason if last else ''

    def left(self, reason: str) -> bool:
        """The cluster is left to another conductor; its owner is told why.

        :returns: whether that is news.
        """
        with self._fence.writing() as session:
            cluster = session.get_one(models.Cluster, self._fence.cluster_id)
            deployment_id = session.scalars(sa.select(
                models.Deployment.id).where(
                    models.Deployment.cluster_id == self._fence.cluster_id,
                    models.Deployment.status.in_((
                        DeploymentStatus.QUEUED, DeploymentStatus.RUNNING)),
            ).order_by(models.Deployment.created_at.desc())).first() or ''
            if deployment_id:
                cluster.status_reason = reason
            told = session.scalars(sa.select(models.Event.id).where(
                models.Event.cluster_id == self._fence.cluster_id,
                models.Event.deployment_id == deployment_id,
                models.Event.message == reason).limit(1)).first()
            if told is None:
                self._fence.event(session, deployment_id, kind='cluster',
                                  level='warning', message=reason)
            return told is None

    def halt(self, deployment_id: str,
             failures: Iterable[Mapping[str, Any]]) -> bool:
        """A change fails while nodes are out of service for it.

        :returns: whether these are to be put back first; False when there
            are none, or when that was tried already.
        """
        with self._fence.writing() as session:
            deployment = session.get_one(models.Deployment, deployment_id)
            names = sorted(row.name for row in self._fence.mine(
                session, models.Node) if row.before is not None)
            if deployment.failures or not names \
                    or deployment.status != DeploymentStatus.RUNNING:
                return False
            deployment.failures = [dict(failure) for failure in failures]
            self._fence.event(session, deployment_id, kind='deployment',
                              level='error',
                              message='halted; put back as they were before: '
                              + ', '.join(names))
            return True


def _kind(failures: Iterable[Mapping[str, Any]]) -> str:
    """What the ERROR of a cluster is by what failed; '' when nothing did."""
    codes = {failure.get('code') for failure in failures}
    return '' if not codes else ErrorKind.DISAGREES \
        if FailureCode.DISAGREES in codes else ErrorKind.FAILED


def mark(fence: Fence, session: orm.Session, step: models.Step,
         status: WorkStatus) -> None:
    """A step begins or ends; it is told."""
    if step.status == status:
        return
    step.status = status
    step.started_at = step.started_at or models.now()
    if status != WorkStatus.RUNNING:
        step.finished_at = models.now()
        measures.step_over(session, step)
    fence.event(
        session, step.deployment_id, kind='step', step_id=step.id,
        element=step.element, verb=step.kind, message=status.value,
        level='error' if status == WorkStatus.FAILED else 'info',
        seconds=(step.finished_at - step.started_at).total_seconds()
        if step.finished_at else None)
