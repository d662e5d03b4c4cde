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

"""Takes away what has been kept long enough.

A little at a time: nobody is to wait for a lock while months of events go.
"""

from __future__ import annotations

import datetime
from typing import Any
from typing import cast

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import services
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Deployment
from hpcdirect.db.models import Event
from hpcdirect.db.models import Generation
from hpcdirect.db.models import Layer
from hpcdirect.db.models import LogChunk
from hpcdirect.db.models import Node
from hpcdirect.db.models import Run
from hpcdirect.db.models import Secret
from hpcdirect.db.models import Service
from hpcdirect.db.models import Step
from hpcdirect.db.models import Tag
from hpcdirect.db.orders import IdempotencyKey
from hpcdirect.db.plans import Plan

#: Rows that one transaction takes away.
MOST = 1000
#: Runs whose logs one transaction takes away, and stretches of those logs:
#: they may be large.
_RUNS = 20
_CHUNKS = 200


def deleted_clusters(session: orm.Session, until: datetime.datetime) -> bool:
    """Take away some of what is left of a cluster that was deleted.

    :param until: it was deleted before this.
    :returns: whether there was something; then there may be more.
    """
    # A cluster's row is not written any more once it is deleted.
    cluster_id = session.scalars(sa.select(Cluster.id).where(
        Cluster.deleted > '', Cluster.updated_at < until,
    ).limit(1)).one_or_none()
    if cluster_id is None:
        return False
    if not (_some(session, Event, Event.cluster_id == cluster_id)
            or _runs(session, cluster_id)):
        _rest(session, cluster_id)
    return True


def keys(session: orm.Session, until: datetime.datetime) -> bool:
    """Take away some Idempotency-Keys from before then; as above."""
    return bool(_some(session, IdempotencyKey,
                      IdempotencyKey.created_at < until))


def plans(session: orm.Session, until: datetime.datetime) -> bool:
    """Take away some plans that were shown before then; as above."""
    return bool(_some(session, Plan, Plan.created_at < until))


def processes(session: orm.Session) -> bool:
    """Take away some rows of processes that nobody has seen for long."""
    return bool(_some(session, Service, services.forgotten()))


def _some(session: orm.Session, model: type[Any],
          where: sa.ColumnElement[bool], most: int | None = None) -> int:
    """Take away some rows, in one statement; how many it were.

    :param most: as many as one transaction may when not given.
    """
    most = MOST if most is None else most
    dialect = session.get_bind().dialect.name
    statement = sa.delete(model).where(where)
    if dialect in ('mysql', 'mariadb'):
        statement = statement.with_dialect_options(
            **{f'{dialect}_limit': most})
    else:
        key = sa.inspect(model).primary_key
        statement = sa.delete(model).where(sa.tuple_(*key).in_(
            sa.select(*key).where(where).limit(most)))
    result = session.execute(statement.execution_options(
        synchronize_session=False))
    return cast('sa.CursorResult[Any]', result).rowcount


def _runs(session: orm.Session, cluster_id: str) -> bool:
    found = list(session.scalars(sa.select(Run.id).where(
        Run.cluster_id == cluster_id).limit(_RUNS)))
    if found and _some(session, LogChunk, LogChunk.run_id.in_(found),
                       _CHUNKS) < _CHUNKS:
        _some(session, Run, Run.id.in_(found))
    return bool(found)


def _rest(session: orm.Session, cluster_id: str) -> None:
    """Take away what is left, table by table; the cluster, last."""
    deployments = list(session.scalars(sa.select(Deployment.id).where(
        Deployment.cluster_id == cluster_id).limit(MOST)))
    parts: list[tuple[type[Any], sa.ColumnElement[bool]]] = [
        (Step, Step.deployment_id.in_(deployments)),
        (Deployment, Deployment.id.in_(deployments)),
        *((model, model.cluster_id == cluster_id) for model in (
            Generation, IdempotencyKey, Layer, Node, Plan, Secret, Tag)),
        (Cluster, Cluster.id == cluster_id)]
    left = MOST
    for model, where in parts:
        # There is no knowing whether a full measure was all there was.
        left -= _some(session, model, where, left)
        if left <= 0:
            return
