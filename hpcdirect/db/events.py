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

"""Queries about events.

Whoever reads on from the last event it knows must not miss one that was
written with a lower id and is committed later. One cluster's events are in
order, since whoever writes some holds its row; events of several clusters are
told up to the first one that may be under way still.
"""

from __future__ import annotations

import datetime

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import paging
from hpcdirect.db.models import Event
from hpcdirect.db.models import now

#: Filters by which only events of one cluster are seen.
_ONE = frozenset(('cluster_id', 'deployment_id', 'run_id'))
#: So many of the newest events are looked at for gaps.
_NEWEST = 5000
#: A gap older than this stays one: its transaction was rolled back.
_UNDER_WAY = datetime.timedelta(seconds=30)


def listing(session: orm.Session, project_id: str | None, page: paging.Page
            ) -> paging.Listing:
    """Events after the marker, the oldest first.

    The marker need not be an event that is seen: a reader begins at 0 and
    goes on from the last one it knows.
    """
    where: list[sa.ColumnElement[bool]] = [
        Event.id > int(page.marker or 0)]
    if project_id is not None:
        where.append(Event.project_id == project_id)
    # SQLite has one writer at a time: what comes later is later.
    if not _ONE & page.filters.keys() \
            and session.get_bind().dialect.name != 'sqlite':
        gap = _gap(session, int(page.marker or 0))
        if gap is not None:
            where.append(Event.id < gap)
    plain = paging.Page(limit=page.limit, filters=page.filters)
    return paging.fetch(session, Event, plain, *where)


def _gap(session: orm.Session, marker: int) -> int | None:
    """The lowest id that may yet come, of those among the newest.

    Ids are given out one by one, so one that is missing belongs to a
    transaction that is not over, or was rolled back. Galera counts in
    larger steps; all that writes has to go to one of its servers.
    """
    step = 1 if session.get_bind().dialect.name == 'postgresql' else int(
        session.scalar(sa.text('SELECT @@auto_increment_increment')) or 1)
    newest = session.scalar(sa.select(sa.func.max(Event.id))) or 0
    first = max(marker, newest - _NEWEST)
    young = now() - _UNDER_WAY
    before = first
    for ident, at in session.execute(sa.select(Event.id, Event.at).where(
            Event.id > first).order_by(Event.id)):
        if ident > before + step and at > young:
            return before + 1
        before = ident
    return None
