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

"""The tables. A row is the object; ``view()`` in the API makes JSON of it."""

from __future__ import annotations

import collections
from collections.abc import Iterable
import datetime
import functools
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect import metrics
from hpcdirect.context import Asker
from hpcdirect.db import columns
from hpcdirect.db.columns import Base
from hpcdirect.db.columns import Moment
from hpcdirect.db.columns import new_id
from hpcdirect.db.columns import now
from hpcdirect.db.services import Service
from hpcdirect.db.session import afterwards
from hpcdirect.planning.state import State

__all__ = ['Base', 'Moment', 'Service', 'new_id', 'now']


_LABEL = {'label': True}


class Cluster(Base):
    """What a project owns: what is wanted of it and who works on it."""

    __tablename__ = 'clusters'
    __table_args__ = (
        # A name is taken only among clusters that are alive: `deleted` is ''
        # for those and the id for the others.
        sa.UniqueConstraint('project_id', 'name', 'deleted',
                            name='uniq_clusters_project_name'),
        sa.Index('ix_clusters_page', 'project_id', 'created_at', 'id'),
        sa.Index('ix_clusters_due', 'deleted', 'due_at'),
        sa.Index('ix_clusters_expiry', 'deleted', 'expires_at'),
        sa.Index('ix_clusters_list', 'project_id', 'deleted', 'created_at',
                 'id'),
        sa.Index('ix_clusters_counted', 'project_id', 'deleted', 'status',
                 'blueprint'),
        sa.Index('ix_clusters_all', 'deleted', 'created_at', 'id'),
        sa.Index('ix_clusters_names', 'deleted', 'name', 'id'),
        sa.Index('ix_clusters_status', 'deleted', 'status', 'created_at',
                 'id'),
        sa.Index('ix_clusters_updated', 'deleted', 'updated_at', 'id'),
        sa.Index('ix_clusters_turn', 'deleted', 'due_at', 'lease_until'),
        sa.Index('ix_clusters_owner', 'owner'),
        sa.Index('ix_clusters_end', 'deleted', 'expires_at', 'expiry_told',
                 'protected'),
    )

    id: orm.Mapped[columns.Key]
    project_id: orm.Mapped[columns.Name]
    user_id: orm.Mapped[columns.Name]
    # What they were called then; '' when nobody noted it.
    project_name: orm.Mapped[columns.CalledThen]
    user_name: orm.Mapped[columns.CalledThen]
    name: orm.Mapped[columns.Name] = orm.mapped_column(info=_LABEL)
    deleted: orm.Mapped[columns.Id] = orm.mapped_column(default='')
    description: orm.Mapped[str] = orm.mapped_column(sa.Text, default='',
                                                     info=_LABEL)
    status: orm.Mapped[columns.Word16]
    status_reason: orm.Mapped[columns.Said]
    # Of one that is ERROR a states.ErrorKind; '' when nobody noted it.
    error: orm.Mapped[columns.Word16] = orm.mapped_column(default='',
                                                          server_default='')
    blueprint: orm.Mapped[columns.Name]
    blueprint_version: orm.Mapped[columns.Word64]
    backend: orm.Mapped[columns.Word64]
    backend_ref: orm.Mapped[columns.Name] = orm.mapped_column(default='')
    generation: orm.Mapped[int] = orm.mapped_column(default=1)
    desired: orm.Mapped[State]
    outputs: orm.Mapped[dict[str, Any]] = orm.mapped_column(default=dict)
    protected: orm.Mapped[bool] = orm.mapped_column(default=False,
                                                    info=_LABEL)
    # When it goes by itself; who wanted that, signed; and how many seconds
    # before it was told of last.
    expires_at: orm.Mapped[datetime.datetime | None]
    expires_by: orm.Mapped[dict[str, Any] | None] = orm.mapped_column(
        sa.JSON(none_as_null=True), default=None)
    expiry_told: orm.Mapped[float | None]
    # The lease: seconds since 1970 by the database's clock; see leases.py.
    owner: orm.Mapped[columns.Name] = orm.mapped_column(default='')
    epoch: orm.Mapped[int] = orm.mapped_column(default=0)
    lease_until: orm.Mapped[float] = orm.mapped_column(sa.Double, default=0.0)
    lease_seconds: orm.Mapped[float] = orm.mapped_column(
        sa.Double, default=0.0, server_default='0')
    due_at: orm.Mapped[float | None]
    created_at: orm.Mapped[columns.Created]
    updated_at: orm.Mapped[columns.Updated]


#: Columns of what its owner says of a cluster, by which nothing becomes of it.
#: Requests and answers have them by the same names.
LABELS = tuple(column.name for column in Cluster.__table__.columns
               if column.info == _LABEL)


class Tag(Base):
    """A word that a cluster's owner has put on it."""

    __tablename__ = 'cluster_tags'
    __table_args__ = (
        sa.Index('ix_cluster_tags_tag', 'tag'),
    )

    cluster_id: orm.Mapped[str] = orm.mapped_column(
        columns.ID, sa.ForeignKey('clusters.id'), primary_key=True)
    tag: orm.Mapped[str] = orm.mapped_column(columns.WORD, primary_key=True)


class Generation(Base):
    """What was wanted of a cluster, from one change of it to the next."""

    __tablename__ = 'generations'
    __table_args__ = (
        sa.UniqueConstraint('cluster_id', 'generation',
                            name='uniq_generations_generation'),
    )

    id: orm.Mapped[columns.Key]
    cluster_id: orm.Mapped[columns.OfCluster]
    generation: orm.Mapped[int]
    user_id: orm.Mapped[columns.Name]
    user_name: orm.Mapped[columns.CalledThen]
    operation: orm.Mapped[columns.Word16]
    desired: orm.Mapped[State]
    created_at: orm.Mapped[columns.Created]


class Deployment(Base):
    """One attempt to bring a cluster to one generation of what is wanted."""

    __tablename__ = 'deployments'
    __table_args__ = (
        sa.Index('ix_deployments_cluster', 'cluster_id', 'created_at'),
        sa.Index('ix_deployments_page', 'project_id', 'created_at', 'id'),
        sa.Index('ix_deployments_all', 'created_at', 'id'),
    )

    id: orm.Mapped[columns.Key]
    cluster_id: orm.Mapped[columns.OfCluster]
    project_id: orm.Mapped[columns.Name]
    user_id: orm.Mapped[columns.Name]
    # Not signed: releases that know no names judge the same signature.
    user_name: orm.Mapped[columns.CalledThen]
    roles: orm.Mapped[list[Any]]
    service: orm.Mapped[columns.Name] = orm.mapped_column(default='')
    request_id: orm.Mapped[columns.Name] = orm.mapped_column(default='')
    operation: orm.Mapped[columns.Word16]
    generation: orm.Mapped[int]
    desired_digest: orm.Mapped[columns.Word64]
    signature: orm.Mapped[columns.Word64]
    status: orm.Mapped[columns.Word16]
    reason: orm.Mapped[columns.Said]
    plan: orm.Mapped[list[Any]] = orm.mapped_column(default=list)
    failures: orm.Mapped[list[Any]] = orm.mapped_column(default=list)
    created_at: orm.Mapped[columns.Created]
    started_at: orm.Mapped[datetime.datetime | None]
    finished_at: orm.Mapped[datetime.datetime | None]

    @property
    def asker(self) -> Asker:
        """Who asked for it."""
        return Asker(self.user_id, self.user_name, tuple(self.roles),
                     self.service, self.request_id)

    def signed_part(self, scheme: int) -> dict[str, Any]:
        """What a signature of a scheme covers: who asked for what, when."""
        part = {
            'id': self.id, 'cluster_id': self.cluster_id,
            'project_id': self.project_id, 'user_id': self.user_id,
            'roles': list(self.roles), 'service': self.service,
            'operation': self.operation, 'generation': self.generation,
            'desired_digest': self.desired_digest,
        }
        return part if scheme == 1 else {
            **part, 'what': 'deployment',
            'created_at': self.created_at.isoformat(
                timespec='microseconds')}


class Step(Base):
    """One line of a deployment's plan and how it went."""

    __tablename__ = 'steps'
    __table_args__ = (
        sa.UniqueConstraint('deployment_id', 'position',
                            name='uniq_steps_position'),
    )

    id: orm.Mapped[columns.Key]
    deployment_id: orm.Mapped[columns.OfDeployment]
    position: orm.Mapped[int]
    kind: orm.Mapped[columns.Word16]
    element: orm.Mapped[columns.Name] = orm.mapped_column(default='')
    nodes: orm.Mapped[list[Any]]
    status: orm.Mapped[columns.Word16]
    reason: orm.Mapped[columns.Said]
    # Seconds; None when none of its kind has ever ended well.
    expected: orm.Mapped[float | None]
    started_at: orm.Mapped[datetime.datetime | None]
    finished_at: orm.Mapped[datetime.datetime | None]


class Node(Base):
    """The machine in a slot, or the one that is being made for it.

    :param before: its layers as they were when it was drained in order to be
        changed; None unless it is just being changed.
    :param closed: whether it is, at the moment in which it is read.
    """

    __tablename__ = 'nodes'
    __table_args__ = (
        sa.UniqueConstraint('cluster_id', 'name', name='uniq_nodes_name'),
        sa.Index('ix_nodes_up', 'cluster_id', 'status', 'node_group'),
    )

    id: orm.Mapped[columns.Key]
    cluster_id: orm.Mapped[columns.OfCluster]
    name: orm.Mapped[columns.Name]
    group: orm.Mapped[columns.Name] = orm.mapped_column('node_group')
    incarnation: orm.Mapped[int] = orm.mapped_column(default=1)
    status: orm.Mapped[columns.Word16]
    ref: orm.Mapped[columns.Name] = orm.mapped_column(default='')
    address: orm.Mapped[str] = orm.mapped_column(sa.String(64), default='')
    ssh: orm.Mapped[dict[str, Any]] = orm.mapped_column(default=dict)
    fault: orm.Mapped[columns.Said]
    before: orm.Mapped[list[Any] | None] = orm.mapped_column(
        sa.JSON(none_as_null=True), default=None)
    closed: orm.Mapped[bool] = orm.column_property(before.is_not(sa.null()))
    created_at: orm.Mapped[columns.Created]
    updated_at: orm.Mapped[columns.Updated]


class Layer(Base):
    """An element as it stands on one incarnation of one node."""

    __tablename__ = 'layers'
    __table_args__ = (
        sa.UniqueConstraint('cluster_id', 'node', 'element', 'role',
                            name='uniq_layers_node_element'),
    )

    id: orm.Mapped[columns.Key]
    cluster_id: orm.Mapped[columns.OfCluster]
    node: orm.Mapped[columns.Name]
    incarnation: orm.Mapped[int]
    element: orm.Mapped[str] = orm.mapped_column(sa.String(128))
    role: orm.Mapped[columns.Word64]
    version: orm.Mapped[columns.Word64]
    position: orm.Mapped[int]
    digest: orm.Mapped[columns.Word64]
    state: orm.Mapped[columns.Word16]
    verified: orm.Mapped[bool] = orm.mapped_column(default=False)
    # What it was applied with, so that it can be reverted when the blueprint
    # no longer knows of it.
    inputs: orm.Mapped[dict[str, Any]] = orm.mapped_column(default=dict)
    run_id: orm.Mapped[columns.Id] = orm.mapped_column(default='')
    # What its element told when it was verified last: no fault, good to know.
    note: orm.Mapped[str] = orm.mapped_column(sa.String(500), default='')
    updated_at: orm.Mapped[columns.Updated]


class Run(Base):
    """One step carried out by a runner on some nodes."""

    __tablename__ = 'runs'
    __table_args__ = (
        sa.Index('ix_runs_deployment', 'deployment_id', 'created_at'),
        sa.Index('ix_runs_cluster', 'cluster_id', 'created_at'),
        sa.Index('ix_runs_page', 'project_id', 'created_at', 'id'),
        sa.Index('ix_runs_all', 'created_at', 'id'),
        sa.Index('ix_runs_step', 'step_id'),
    )

    id: orm.Mapped[columns.Key]
    cluster_id: orm.Mapped[columns.OfCluster]
    project_id: orm.Mapped[columns.Name]
    deployment_id: orm.Mapped[columns.OfDeployment]
    step_id: orm.Mapped[columns.Id]
    verb: orm.Mapped[columns.Word16]
    element: orm.Mapped[columns.Name]
    nodes: orm.Mapped[list[Any]]
    status: orm.Mapped[columns.Word16]
    cause: orm.Mapped[dict[str, Any] | None] = orm.mapped_column(sa.JSON)
    summary: orm.Mapped[dict[str, Any]] = orm.mapped_column(default=dict)
    log_size: orm.Mapped[int] = orm.mapped_column(columns.Serial, default=0)
    # What went wrong, as the API shows it, so that a successor knows.
    failures: orm.Mapped[list[Any] | None] = orm.mapped_column(
        sa.JSON(none_as_null=True), default=None)
    # The runner and its process, so that a successor can end it.
    runner: orm.Mapped[columns.Word64]
    process: orm.Mapped[dict[str, Any] | None] = orm.mapped_column(sa.JSON)
    created_at: orm.Mapped[columns.Created]
    started_at: orm.Mapped[datetime.datetime | None]
    finished_at: orm.Mapped[datetime.datetime | None]


class LogChunk(Base):
    """A stretch of a run's log; ``start`` counts characters."""

    __tablename__ = 'log_chunks'

    run_id: orm.Mapped[str] = orm.mapped_column(
        columns.ID, sa.ForeignKey('runs.id'), primary_key=True)
    start: orm.Mapped[int] = orm.mapped_column(
        sa.BigInteger, primary_key=True, autoincrement=False)
    text: orm.Mapped[str] = orm.mapped_column(columns.Words)


class Event(Base):
    """Something that happened; ``id`` is the marker that readers keep."""

    __tablename__ = 'events'
    __table_args__ = (
        sa.Index('ix_events_cluster', 'cluster_id', 'id'),
        sa.Index('ix_events_project', 'project_id', 'id'),
        sa.Index('ix_events_level', 'project_id', 'level', 'id'),
        sa.Index('ix_events_deployment', 'deployment_id', 'id'),
        sa.Index('ix_events_run', 'run_id', 'id'),
    )

    id: orm.Mapped[int] = orm.mapped_column(columns.Serial, primary_key=True,
                                            autoincrement=True)
    cluster_id: orm.Mapped[columns.Id]
    project_id: orm.Mapped[columns.Name]
    deployment_id: orm.Mapped[columns.Id] = orm.mapped_column(default='')
    step_id: orm.Mapped[columns.Id] = orm.mapped_column(default='')
    run_id: orm.Mapped[columns.Id] = orm.mapped_column(default='')
    kind: orm.Mapped[columns.Word16]
    level: orm.Mapped[str] = orm.mapped_column(sa.String(8), default='info')
    node: orm.Mapped[columns.Name] = orm.mapped_column(default='')
    element: orm.Mapped[columns.Name] = orm.mapped_column(default='')
    verb: orm.Mapped[str] = orm.mapped_column(sa.String(16), default='')
    task: orm.Mapped[columns.Said]
    result: orm.Mapped[str | None] = orm.mapped_column(sa.String(16))
    seconds: orm.Mapped[float | None]
    message: orm.Mapped[columns.Said]
    at: orm.Mapped[columns.Created]


def count_events(session: orm.Session, events: Iterable[tuple[str, str]]
                 ) -> None:
    """Count events, each a kind and a level, once they are committed."""
    for (kind, level), number in collections.Counter(events).items():
        afterwards(session, functools.partial(
            metrics.EVENTS.labels(kind, level).inc, number))


@sa.event.listens_for(Event, 'after_insert')
def _counted(mapper: object, connection: object, event: Event) -> None:
    session = orm.object_session(event)
    if session is not None:
        count_events(session, [(event.kind, event.level)])


class Secret(Base):
    """Something generated for one cluster, sealed by the service's key."""

    __tablename__ = 'secrets'
    __table_args__ = (
        sa.UniqueConstraint('cluster_id', 'element', 'name', 'version',
                            name='uniq_secrets_name'),
    )

    id: orm.Mapped[columns.Key]
    cluster_id: orm.Mapped[columns.OfCluster]
    element: orm.Mapped[str] = orm.mapped_column(sa.String(128))
    name: orm.Mapped[columns.Word64]
    version: orm.Mapped[int] = orm.mapped_column(default=1)
    sealed: orm.Mapped[str] = orm.mapped_column(columns.Text)

    def about(self) -> str:
        """What its seal says it is of: it opens in this place only."""
        return ' '.join(('secret', self.cluster_id, self.element, self.name,
                         str(self.version)))
