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

"""Queries about deployments and their steps."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import paging
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Deployment
from hpcdirect.db.models import Step
from hpcdirect.db.surroundings import COUNTED
from hpcdirect.db.surroundings import Progress
from hpcdirect.db.surroundings import read_progress
from hpcdirect.exception import NotFound


def scope(project_id: str | None) -> list[sa.ColumnElement[bool]]:
    """Deployments of one project, or (None) of all."""
    return [] if project_id is None else [
        Deployment.project_id == project_id]


def listing(session: orm.Session, project_id: str | None, page: paging.Page
            ) -> paging.Listing:
    """One page of deployments."""
    return paging.fetch(session, Deployment, page, paging.Scope(
        {} if project_id is None else {'project_id': project_id},
        along={'created_at': 'ix_deployments_all' if project_id is None
               else 'ix_deployments_page'}))


def lately(session: orm.Session, project_id: str | None, number: int
           ) -> list[Any]:
    """The newest deployments, each with the name of its cluster."""
    page = listing(session, project_id, paging.Page(
        limit=number, sort=(('created_at', True),),
        columns=frozenset(('id',))))
    return list(session.execute(sa.select(
        *(getattr(Deployment, name) for name in (
            'id', 'cluster_id', 'operation', 'status', 'reason', 'user_id',
            'user_name', 'created_at', 'finished_at')),
        Cluster.name.label('cluster'),
    ).join(Cluster, Cluster.id == Deployment.cluster_id).where(
        Deployment.id.in_([row.id for row in page.rows]),
    ).order_by(Deployment.created_at.desc(), Deployment.id.desc())))


def during(session: orm.Session, cluster_id: str, begin: datetime.datetime,
           end: datetime.datetime, number: int) -> list[Any]:
    """The newest deployments of a cluster that were under way in a time."""
    return list(session.execute(sa.select(
        *(getattr(Deployment, name) for name in (
            'id', 'operation', 'status', 'user_name', 'created_at',
            'finished_at')),
    ).where(
        Deployment.cluster_id == cluster_id, Deployment.created_at <= end,
        sa.or_(Deployment.finished_at.is_(None),
               Deployment.finished_at >= begin),
    ).order_by(Deployment.created_at.desc(), Deployment.id.desc()
               ).limit(number)))


def get(session: orm.Session, project_id: str | None, ident: str
        ) -> Deployment:
    """The deployment of an id, even when its cluster is gone.

    :raises NotFound: there is none, or it is another project's.
    """
    found = session.scalars(sa.select(Deployment).where(
        Deployment.id == ident, *scope(project_id))).one_or_none()
    if found is None:
        raise NotFound(resource='Deployment', ident=ident)
    return found


def steps(session: orm.Session, deployment_id: str) -> list[Step]:
    """The steps of a deployment, in order."""
    return list(session.scalars(sa.select(Step).where(
        Step.deployment_id == deployment_id).order_by(Step.position)))


def latest(session: orm.Session, cluster_ids: Iterable[str]
           ) -> dict[str, Deployment]:
    """The newest deployment of each of these clusters."""
    newest = sa.select(
        Deployment.id, sa.func.row_number().over(
            partition_by=Deployment.cluster_id,
            order_by=(Deployment.created_at.desc(), Deployment.id.desc()),
        ).label('place'),
    ).where(Deployment.cluster_id.in_(list(cluster_ids))).subquery()
    rows = session.scalars(
        sa.select(Deployment).options(orm.defer(Deployment.plan))
        .join(newest, newest.c.id == Deployment.id)
        .where(newest.c.place == 1))
    return {row.cluster_id: row for row in rows}


def progress(session: orm.Session, deployment_ids: Iterable[str]
             ) -> Mapping[str, Progress]:
    """How far each of these deployments is; none for one without steps."""
    rows = session.execute(sa.select(Step.deployment_id, COUNTED).where(
        Step.deployment_id.in_(list(deployment_ids)),
    ).group_by(Step.deployment_id))
    return {ident: read_progress(counted) for ident, counted in rows}
