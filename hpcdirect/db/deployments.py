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
import dataclasses

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import paging
from hpcdirect.db.models import Deployment
from hpcdirect.db.models import Step
from hpcdirect.exception import NotFound
from hpcdirect.states import WorkStatus


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a deployment is, in steps.

    :param running: ``VERB ELEMENT`` of a step under way, or ''.
    """

    total: int = 0
    done: int = 0
    running: str = ''


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
    done = Step.status == WorkStatus.SUCCEEDED
    running = Step.status == WorkStatus.RUNNING
    rows = session.execute(sa.select(
        Step.deployment_id, sa.func.count(),
        sa.func.sum(sa.case((done, 1), else_=0)),
        sa.func.min(sa.case(
            (running, Step.kind + ' ' + Step.element))),
    ).where(Step.deployment_id.in_(list(deployment_ids)),
            ).group_by(Step.deployment_id))
    return {ident: Progress(total, int(finished), (doing or '').strip())
            for ident, total, finished, doing in rows}
