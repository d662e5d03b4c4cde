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

import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.context import Asker
from hpcdirect.db.columns import ID
from hpcdirect.db.columns import NAME
from hpcdirect.db.columns import WORD
from hpcdirect.db.columns import Base
from hpcdirect.db.columns import Called
from hpcdirect.db.columns import Desired
from hpcdirect.db.columns import Moment
from hpcdirect.db.columns import Sentence
from hpcdirect.db.columns import Serial
from hpcdirect.db.columns import Text
from hpcdirect.db.columns import Words
from hpcdirect.db.columns import new_id
from hpcdirect.db.columns import now
from hpcdirect.db.services import Service
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

    id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True,
                                            default=new_id)
    project_id: orm.Mapped[str] = orm.mapped_column(NAME)
    user_id: orm.Mapped[str] = orm.mapped_column(NAME)
    # What they were called then; '' when nobody noted it.
    project_name: orm.Mapped[str] = orm.mapped_column(Called, default='')
    user_name: orm.Mapped[str] = orm.mapped_column(Called, default='')
    name: orm.Mapped[str] = orm.mapped_column(NAME, info=_LABEL)
    deleted: orm.Mapped[str] = orm.mapped_column(ID, default='')
    description: orm.Mapped[str] = orm.mapped_column(sa.Text, default='',
                                                     info=_LABEL)
    status: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    status_reason: orm.Mapped[str] = orm.mapped_column(Sentence, default='')
    blueprint: orm.Mapped[str] = orm.mapped_column(NAME)
    blueprint_version: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    backend: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    backend_ref: orm.Mapped[str] = orm.mapped_column(NAME, default='')
    generation: orm.Mapped[int] = orm.mapped_column(default=1)
    desired: orm.Mapped[State] = orm.mapped_column(Desired)
    outputs: orm.Mapped[dict[str, Any]] = orm.mapped_column(default=dict)
    protected: orm.Mapped[bool] = orm.mapped_column(default=False,
                                                    info=_LABEL)
    # When it goes by itself; who wanted that, signed; and how many seconds
    # before it was told of last.
    expires_at: orm.Mapped[datetime.datetime | None]
    expires_by: orm.Mapped[dict[str, Any] | None] = orm.mapped_column(
        sa.JSON(none_as_null=True), default=None)
    expiry_told: orm.Mapped[float | None] = orm.mapped_column(sa.Double)
    # The lease: seconds since 1970 by the database's clock; see leases.py.
    owner: orm.Mapped[str] = orm.mapped_column(NAME, default='')
    epoch: orm.Mapped[int] = orm.mapped_column(default=0)
    lease_until: orm.Mapped[float] = orm.mapped_column(sa.Double, default=0.0)
    lease_seconds: orm.Mapped[float] = orm.mapped_column(
        sa.Double, default=0.0, server_default='0')
    due_at: orm.Mapped[float | None] = orm.mapped_column(sa.Double)
    created_at: orm.Mapped[datetime.datetime] = orm.mapped_column(default=now)
    updated_at: orm.Mapped[datetime.datetime] = orm.mapped_column(
        default=now, onupdate=now)


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
        ID, sa.ForeignKey('clusters.id'), primary_key=True)
    tag: orm.Mapped[str] = orm.mapped_column(WORD, primary_key=True)


class Generation(Base):
    """What was wanted of a cluster, from one change of it to the next."""

    __tablename__ = 'generations'
    __table_args__ = (
        sa.UniqueConstraint('cluster_id', 'generation',
                            name='uniq_generations_generation'),
    )

    id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True,
                                            default=new_id)
    cluster_id: orm.Mapped[str] = orm.mapped_column(
        ID, sa.ForeignKey('clusters.id'))
    generation: orm.Mapped[int]
    user_id: orm.Mapped[str] = orm.mapped_column(NAME)
    user_name: orm.Mapped[str] = orm.mapped_column(Called, default='')
    operation: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    desired: orm.Mapped[State] = orm.mapped_column(Desired)
    created_at: orm.Mapped[datetime.datetime] = orm.mapped_column(default=now)


class Deployment(Base):
    """One attempt to bring a cluster to one generation of what is wanted."""

    __tablename__ = 'deployments'
    __table_args__ = (
        sa.Index('ix_deployments_cluster', 'cluster_id', 'created_at'),
        sa.Index('ix_deployments_page', 'project_id', 'created_at', 'id'),
        sa.Index('ix_deployments_all', 'created_at', 'id'),
    )

    id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True,
                                            default=new_id)
    cluster_id: orm.Mapped[str] = orm.mapped_column(
        ID, sa.ForeignKey('clusters.id'))
    project_id: orm.Mapped[str] = orm.mapped_column(NAME)
    user_id: orm.Mapped[str] = orm.mapped_column(NAME)
    # Not signed: releases that know no names judge the same signature.
    user_name: orm.Mapped[str] = orm.mapped_column(Called, default='')
    roles: orm.Mapped[list[Any]]
    service: orm.Mapped[str] = orm.mapped_column(NAME, default='')
    request_id: orm.Mapped[str] = orm.mapped_column(NAME, default='')
    operation: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    generation: orm.Mapped[int]
    desired_digest: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    signature: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    status: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    reason: orm.Mapped[str] = orm.mapped_column(Sentence, default='')
    plan: orm.Mapped[list[Any]] = orm.mapped_column(default=list)
    failures: orm.Mapped[list[Any]] = orm.mapped_column(default=list)
    created_at: orm.Mapped[datetime.datetime] = orm.mapped_column(default=now)
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

    id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True,
                                            default=new_id)
    deployment_id: orm.Mapped[str] = orm.mapped_column(
        ID, sa.ForeignKey('deployments.id'))
    position: orm.Mapped[int]
    kind: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    element: orm.Mapped[str] = orm.mapped_column(NAME, default='')
    nodes: orm.Mapped[list[Any]]
    status: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    reason: orm.Mapped[str] = orm.mapped_column(Sentence, default='')
    # Seconds; None when none of its kind has ever ended well.
    expected: orm.Mapped[float | None] = orm.mapped_column(sa.Double)
    started_at: orm.Mapped[datetime.datetime | None]
    finished_at: orm.Mapped[datetime.datetime | None]


class Node(Base):
    """The machine in a slot, or the one that is being made for it.

    :param before: its layers as they were when it was drained in order to be
        changed; None unless it is just being changed.
    """

    __tablename__ = 'nodes'
    __table_args__ = (
        sa.UniqueConstraint('cluster_id', 'name', name='uniq_nodes_name'),
        sa.Index('ix_nodes_up', 'cluster_id', 'status', 'node_group'),
    )

    id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True,
                                            default=new_id)
    cluster_id: orm.Mapped[str] = orm.mapped_column(
        ID, sa.ForeignKey('clusters.id'))
    name: orm.Mapped[str] = orm.mapped_column(NAME)
    group: orm.Mapped[str] = orm.mapped_column('node_group', NAME)
    incarnation: orm.Mapped[int] = orm.mapped_column(default=1)
    status: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    ref: orm.Mapped[str] = orm.mapped_column(NAME, default='')
    address: orm.Mapped[str] = orm.mapped_column(sa.String(64), default='')
    ssh: orm.Mapped[dict[str, Any]] = orm.mapped_column(default=dict)
    fault: orm.Mapped[str] = orm.mapped_column(Sentence, default='')
    before: orm.Mapped[list[Any] | None] = orm.mapped_column(
        sa.JSON(none_as_null=True), default=None)
    created_at: orm.Mapped[datetime.datetime] = orm.mapped_column(default=now)
    updated_at: orm.Mapped[datetime.datetime] = orm.mapped_column(
        default=now, onupdate=now)


class Layer(Base):
    """An element as it stands on one incarnation of one node."""

    __tablename__ = 'layers'
    __table_args__ = (
        sa.UniqueConstraint('cluster_id', 'node', 'element', 'role',
                            name='uniq_layers_node_element'),
    )

    id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True,
                                            default=new_id)
    cluster_id: orm.Mapped[str] = orm.mapped_column(
        ID, sa.ForeignKey('clusters.id'))
    node: orm.Mapped[str] = orm.mapped_column(NAME)
    incarnation: orm.Mapped[int]
    element: orm.Mapped[str] = orm.mapped_column(sa.String(128))
    role: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    version: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    position: orm.Mapped[int]
    digest: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    state: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    verified: orm.Mapped[bool] = orm.mapped_column(default=False)
    # What it was applied with, so that it can be reverted when the blueprint
    # no longer knows of it.
    inputs: orm.Mapped[dict[str, Any]] = orm.mapped_column(default=dict)
    run_id: orm.Mapped[str] = orm.mapped_column(ID, default='')
    # What its element told when it was verified last: no fault, good to know.
    note: orm.Mapped[str] = orm.mapped_column(sa.String(500), default='')
    updated_at: orm.Mapped[datetime.datetime] = orm.mapped_column(
        default=now, onupdate=now)


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

    id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True,
                                            default=new_id)
    cluster_id: orm.Mapped[str] = orm.mapped_column(
        ID, sa.ForeignKey('clusters.id'))
    project_id: orm.Mapped[str] = orm.mapped_column(NAME)
    deployment_id: orm.Mapped[str] = orm.mapped_column(
        ID, sa.ForeignKey('deployments.id'))
    step_id: orm.Mapped[str] = orm.mapped_column(ID)
    verb: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    element: orm.Mapped[str] = orm.mapped_column(NAME)
    nodes: orm.Mapped[list[Any]]
    status: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    cause: orm.Mapped[dict[str, Any] | None] = orm.mapped_column(sa.JSON)
    summary: orm.Mapped[dict[str, Any]] = orm.mapped_column(default=dict)
    log_size: orm.Mapped[int] = orm.mapped_column(Serial, default=0)
    # What went wrong, as the API shows it, so that a successor knows.
    failures: orm.Mapped[list[Any] | None] = orm.mapped_column(
        sa.JSON(none_as_null=True), default=None)
    # The runner and its process, so that a successor can end it.
    runner: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    process: orm.Mapped[dict[str, Any] | None] = orm.mapped_column(sa.JSON)
    created_at: orm.Mapped[datetime.datetime] = orm.mapped_column(default=now)
    started_at: orm.Mapped[datetime.datetime | None]
    finished_at: orm.Mapped[datetime.datetime | None]


class LogChunk(Base):
    """A stretch of a run's log; ``start`` counts characters."""

    __tablename__ = 'log_chunks'

    run_id: orm.Mapped[str] = orm.mapped_column(
        ID, sa.ForeignKey('runs.id'), primary_key=True)
    start: orm.Mapped[int] = orm.mapped_column(
        sa.BigInteger, primary_key=True, autoincrement=False)
    text: orm.Mapped[str] = orm.mapped_column(Words)


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

    id: orm.Mapped[int] = orm.mapped_column(Serial, primary_key=True,
                                            autoincrement=True)
    cluster_id: orm.Mapped[str] = orm.mapped_column(ID)
    project_id: orm.Mapped[str] = orm.mapped_column(NAME)
    deployment_id: orm.Mapped[str] = orm.mapped_column(ID, default='')
    step_id: orm.Mapped[str] = orm.mapped_column(ID, default='')
    run_id: orm.Mapped[str] = orm.mapped_column(ID, default='')
    kind: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    level: orm.Mapped[str] = orm.mapped_column(sa.String(8), default='info')
    node: orm.Mapped[str] = orm.mapped_column(NAME, default='')
    element: orm.Mapped[str] = orm.mapped_column(NAME, default='')
    verb: orm.Mapped[str] = orm.mapped_column(sa.String(16), default='')
    task: orm.Mapped[str] = orm.mapped_column(Sentence, default='')
    result: orm.Mapped[str | None] = orm.mapped_column(sa.String(16))
    seconds: orm.Mapped[float | None] = orm.mapped_column(sa.Double)
    message: orm.Mapped[str] = orm.mapped_column(Sentence, default='')
    at: orm.Mapped[datetime.datetime] = orm.mapped_column(default=now)


class Secret(Base):
    """Something generated for one cluster, sealed by the service's key."""

    __tablename__ = 'secrets'
    __table_args__ = (
        sa.UniqueConstraint('cluster_id', 'element', 'name', 'version',
                            name='uniq_secrets_name'),
    )

    id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True,
                                            default=new_id)
    cluster_id: orm.Mapped[str] = orm.mapped_column(
        ID, sa.ForeignKey('clusters.id'))
    element: orm.Mapped[str] = orm.mapped_column(sa.String(128))
    name: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    version: orm.Mapped[int] = orm.mapped_column(default=1)
    sealed: orm.Mapped[str] = orm.mapped_column(Text)

    def about(self) -> str:
        """What its seal says it is of: it opens in this place only."""
        return ' '.join(('secret', self.cluster_id, self.element, self.name,
                         str(self.version)))


class Plan(Base):
    """What a change would do to a cluster, as it was shown."""

    __tablename__ = 'plans'
    __table_args__ = (
        sa.Index('ix_plans_age', 'created_at'),
        sa.Index('ix_plans_cluster', 'cluster_id'),
    )

    id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True,
                                            default=new_id)
    cluster_id: orm.Mapped[str] = orm.mapped_column(
        ID, sa.ForeignKey('clusters.id'))
    project_id: orm.Mapped[str] = orm.mapped_column(NAME)
    user_id: orm.Mapped[str] = orm.mapped_column(NAME)
    # What the world was like: it is carried out only while it still is.
    generation: orm.Mapped[int]
    fingerprint: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    change: orm.Mapped[dict[str, Any]]
    shown: orm.Mapped[dict[str, Any]]
    created_at: orm.Mapped[datetime.datetime] = orm.mapped_column(default=now)

    def about(self) -> str:
        """What the seal of its change says it is of."""
        return ' '.join(('plan', self.id, self.cluster_id,
                         str(self.generation), self.fingerprint))


class IdempotencyKey(Base):
    """A key that came with a POST, and what came of it."""

    __tablename__ = 'idempotency_keys'
    __table_args__ = (
        sa.Index('ix_idempotency_keys_age', 'created_at'),
        sa.Index('ix_idempotency_keys_cluster', 'cluster_id'),
    )

    project_id: orm.Mapped[str] = orm.mapped_column(NAME, primary_key=True)
    key: orm.Mapped[str] = orm.mapped_column('key_text', sa.String(255),
                                             primary_key=True)
    body_digest: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    cluster_id: orm.Mapped[str] = orm.mapped_column(ID)
    created_at: orm.Mapped[datetime.datetime] = orm.mapped_column(default=now)
