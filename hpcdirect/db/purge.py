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

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Deployment
from hpcdirect.db.models import Event
from hpcdirect.db.models import Generation
from hpcdirect.db.models import IdempotencyKey
from hpcdirect.db.models import Layer
from hpcdirect.db.models import LogChunk
from hpcdirect.db.models import Node
from hpcdirect.db.models import Plan
from hpcdirect.db.models import Run
from hpcdirect.db.models import Secret
from hpcdirect.db.models import Step
from hpcdirect.db.models import Tag

#: Rows that one transaction takes away.
MOST = 5000
#: Runs whose logs one transaction takes away: chunks may be large.
_RUNS = 20


def deleted_clusters(session: orm.Session, until: datetime.datetime) -> bool:
    """Take away some of what is left of a cluster that was deleted.

    :param until: it was deleted before this.
    :returns: whether there was something; then there may be more.
    """
    # A cluster's row is not written any more once it is deleted.
    cluster_id = session.scalars(sa.select(Cluster.id).where(
        Cluster.deleted != '', Cluster.updated_at < until,
    ).order_by(Cluster.updated_at).limit(1)).one_or_none()
    if cluster_id is None:
        return False
    if not (_events(session, cluster_id) or _runs(session, cluster_id)):
        _rest(session, cluster_id)
    return True


def keys(session: orm.Session, until: datetime.datetime) -> bool:
    """Take away some Idempotency-Keys from before then; as above."""
    found = session.execute(sa.select(
        IdempotencyKey.project_id, IdempotencyKey.key,
    ).where(IdempotencyKey.created_at < until).limit(MOST)).all()
    for project_id, key in found:
        session.execute(sa.delete(IdempotencyKey).where(
            IdempotencyKey.project_id == project_id,
            IdempotencyKey.key == key))
    return bool(found)


def plans(session: orm.Session, until: datetime.datetime) -> bool:
    """Take away some plans that were shown before then; as above."""
    found = list(session.scalars(sa.select(Plan.id).where(
        Plan.created_at < until).limit(MOST)))
    session.execute(sa.delete(Plan).where(Plan.id.in_(found)))
    return bool(found)


def _events(session: orm.Session, cluster_id: str) -> bool:
    found = list(session.scalars(sa.select(Event.id).where(
        Event.cluster_id == cluster_id).order_by(Event.id).limit(MOST)))
    if found:
        session.execute(sa.delete(Event).where(
            Event.cluster_id == cluster_id, Event.id <= found[-1]))
    return bool(found)


def _runs(session: orm.Session, cluster_id: str) -> bool:
    found = list(session.scalars(sa.select(Run.id).where(
        Run.cluster_id == cluster_id).limit(_RUNS)))
    for model, column in ((LogChunk, LogChunk.run_id), (Run, Run.id)):
        session.execute(sa.delete(model).where(column.in_(found)))
    return bool(found)


def _rest(session: orm.Session, cluster_id: str) -> None:
    session.execute(sa.delete(Step).where(Step.deployment_id.in_(
        sa.select(Deployment.id).where(
            Deployment.cluster_id == cluster_id))))
    models: tuple[Any, ...] = (Deployment, Generation, IdempotencyKey, Layer,
                               Node, Plan, Secret, Tag)
    for model in models:
        session.execute(sa.delete(model).where(
            model.cluster_id == cluster_id))
    session.execute(sa.delete(Cluster).where(Cluster.id == cluster_id))
