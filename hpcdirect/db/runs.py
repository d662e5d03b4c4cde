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

"""Queries about runs and their logs."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import paging
from hpcdirect.db.models import Deployment
from hpcdirect.db.models import LogChunk
from hpcdirect.db.models import Run
from hpcdirect.exception import NotFound
from hpcdirect.states import DeploymentStatus
from hpcdirect.states import WorkStatus


def scope(project_id: str | None) -> list[sa.ColumnElement[bool]]:
    """Runs of one project, or (None) of all."""
    return [] if project_id is None else [Run.project_id == project_id]


def listing(session: orm.Session, project_id: str | None, page: paging.Page
            ) -> paging.Listing:
    """One page of runs."""
    return paging.fetch(session, Run, page, paging.Scope(
        {} if project_id is None else {'project_id': project_id},
        along={'created_at': 'ix_runs_all' if project_id is None
               else 'ix_runs_page'}))


def get(session: orm.Session, project_id: str | None, ident: str) -> Run:
    """The run of an id, even when its cluster is gone.

    :raises NotFound: there is none, or it is another project's.
    """
    found = session.scalars(sa.select(Run).where(
        Run.id == ident, *scope(project_id))).one_or_none()
    if found is None:
        raise NotFound(resource='Run', ident=ident)
    return found


def log(session: orm.Session, run_id: str, offset: int, limit: int) -> str:
    """A stretch of a run's log, in characters."""
    first = sa.select(sa.func.max(LogChunk.start)).where(
        LogChunk.run_id == run_id, LogChunk.start <= offset).scalar_subquery()
    rows = session.execute(sa.select(LogChunk.start, LogChunk.text).where(
        LogChunk.run_id == run_id, LogChunk.start >= first,
        LogChunk.start < offset + limit).order_by(LogChunk.start)).all()
    if not rows:
        return ''
    begin = offset - rows[0].start
    return ''.join(row.text for row in rows)[begin:begin + limit]


def never_reached(session: orm.Session, cluster_id: str,
                  elements: Collection[str], since: Mapping[str, int]
                  ) -> set[str]:
    """What no node ever got, of what came with some generation.

    Only what is certain: nothing of the cluster is under way, the deployments
    of that generation are known still, and on every node on which one of
    these elements was applied since then, that failed.

    :param elements: names of those that would have brought it there.
    :param since: name of a thing -> the generation that it came with.
    """
    if not since:
        return set()
    deployments = session.execute(sa.select(
        Deployment.id, Deployment.generation, Deployment.status).where(
            Deployment.cluster_id == cluster_id,
            Deployment.generation >= min(since.values()))).all()
    if any(row.status in (DeploymentStatus.QUEUED, DeploymentStatus.RUNNING)
           for row in deployments):
        return set()
    generations = {row.id: row.generation for row in deployments}
    applied = session.execute(sa.select(
        Run.deployment_id, Run.status, Run.nodes, Run.summary).where(
            Run.cluster_id == cluster_id, Run.element.in_(elements),
            Run.verb == 'apply')).all()
    reached = max((generations.get(row.deployment_id, 0) for row in applied
                   if _reached(row)), default=0)
    return {name for name, generation in since.items()
            if generation in generations.values() and generation > reached}


def _reached(run: Any) -> bool:
    """Whether a run may have come to its end on one of its nodes."""
    failed = {node for node, counted in run.summary.items()
              if counted.get('failed') or counted.get('unreachable')}
    return run.status != WorkStatus.FAILED or not failed.issuperset(run.nodes)
