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
from collections.abc import Mapping
import dataclasses
from typing import Any

import sqlalchemy as sa

from hpcdirect.db import deployment_writer
from hpcdirect.db import fence
from hpcdirect.db import models
from hpcdirect.db import node_writer
from hpcdirect.db import run_writer
from hpcdirect.db.held_layers import Layer
from hpcdirect.db.held_layers import Layers
from hpcdirect.db.session import Database
from hpcdirect.states import DeploymentStatus
from hpcdirect.states import WorkStatus


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
    """All that one conductor reads and writes of one cluster.

    :param kept: see :class:`fence.Fence`.
    :ivar deployments: writes deployments and their steps.
    :ivar nodes: writes nodes.
    :ivar runs: writes runs and layers.
    """

    def __init__(self, database: Database, cluster_id: str, epoch: int,
                 kept: Callable[[float], None] = lambda _: None) -> None:
        self._fence = fence.Fence(database, cluster_id, epoch, kept)
        self._layers = Layers(cluster_id)
        self.deployments = deployment_writer.DeploymentWriter(self._fence)
        self.nodes = node_writer.NodeWriter(self._fence, self._layers)
        self.runs = run_writer.RunWriter(self._fence, self._layers)

    @property
    def cluster_id(self) -> str:
        """The cluster's id."""
        return self._fence.cluster_id

    @property
    def epoch(self) -> int:
        """The one that the cluster was taken with."""
        return self._fence.epoch

    @property
    def writes(self) -> int:
        """How often anything was written."""
        return self._fence.writes

    def snapshot(self) -> Snapshot:
        """Read it all; detached rows."""
        with self._fence.database.read() as session:
            cluster = session.get_one(models.Cluster, self._fence.cluster_id)
            deployment = session.scalars(
                sa.select(models.Deployment).where(
                    models.Deployment.cluster_id == self._fence.cluster_id,
                    models.Deployment.status.in_((
                        DeploymentStatus.QUEUED, DeploymentStatus.RUNNING)),
                ).order_by(models.Deployment.created_at.desc(),
                           models.Deployment.generation.desc())).first()
            steps = session.scalars(sa.select(models.Step).where(
                models.Step.deployment_id
                == (deployment.id if deployment else ''),
            ).order_by(models.Step.position)).all()
            snapshot = Snapshot(
                cluster, deployment, list(steps),
                self._fence.mine(session, models.Node),
                self._layers.read(session),
                self._fence.mine(session, models.Secret),
                list(session.scalars(sa.select(models.Run).where(
                    models.Run.cluster_id == self._fence.cluster_id,
                    models.Run.status.in_((WorkStatus.WAITING,
                                           WorkStatus.RUNNING))))),
                list(session.scalars(sa.select(models.Run).where(
                    models.Run.deployment_id == deployment.id,
                    models.Run.status == WorkStatus.FAILED,
                ).order_by(models.Run.finished_at))) if deployment else [])
            session.expunge_all()
            return snapshot

    def add_secrets(self, rows: Iterable[models.Secret]) -> None:
        """Keep newly generated secrets."""
        with self._fence.writing() as session:
            session.add_all(rows)

    def journal(self, events: Iterable[Mapping[str, Any]],
                logs: Mapping[str, str],
                summaries: Mapping[str, Mapping[str, Any]]) -> None:
        """Write a batch of events and stretches of logs.

        :param logs: run id -> text to append.
        :param summaries: run id -> node -> result -> count, as it stands.
        """
        with self._fence.writing() as session:
            project = self._fence.project(session)
            rows = [{'cluster_id': self._fence.cluster_id, 'at': models.now(),
                     'project_id': project, 'level': 'info', **event}
                    for event in events]
            if rows:
                session.execute(sa.insert(models.Event), rows)
                models.count_events(session, (
                    (row['kind'], row['level']) for row in rows))
            for run_id in {*logs, *summaries}:
                run = session.get_one(models.Run, run_id)
                run.summary = dict(summaries.get(run_id, run.summary))
                text = logs.get(run_id, '')
                if text:
                    session.add(models.LogChunk(
                        run_id=run_id, start=run.log_size, text=text))
                    run.log_size += len(text)
