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

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import paging
from hpcdirect.db.models import LogChunk
from hpcdirect.db.models import Run
from hpcdirect.exception import NotFound


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
