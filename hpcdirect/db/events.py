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
told up to the first one that may be under way still: see horizon.py.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import paging
from hpcdirect.db.models import Event

#: Filters by which only events of one cluster are seen.
_ONE = frozenset(('cluster_id', 'deployment_id', 'run_id'))

_AFTER = Event.id > sa.bindparam('after')
_UNTIL = Event.id <= sa.bindparam('until')
_BEFORE = Event.id < sa.bindparam('before')


def in_order(page: paging.Page) -> bool:
    """Whether only one cluster's events are asked for."""
    return bool(_ONE & page.filters.keys())


def newest_first(page: paging.Page) -> bool:
    """Whether the end of what happened is asked for, not the beginning."""
    return bool(page.sort) and page.sort[0][1]


def listing(session: orm.Session, project_id: str | None, page: paging.Page,
            until: int | None = None) -> paging.Listing:
    """Events after the marker, the oldest first; or before it, the newest.

    The marker need not be an event that is seen: a reader begins at 0 and
    goes on from the last one it knows.

    :param until: the last event that may be told; None for any.
    """
    newest = newest_first(page)
    where = [] if until is None else [_UNTIL]
    if page.marker or not newest:
        where.append(_BEFORE if newest else _AFTER)
    marker = int(page.marker or 0)
    return paging.fetch(session, Event, paging.Page(
        limit=page.limit, filters=page.filters, columns=page.columns,
        sort=(('id', newest),),
    ), paging.Scope(
        {} if project_id is None else {'project_id': project_id},
        tuple(where), {'after': marker, 'before': marker, 'until': until},
        {} if project_id is None else {'id': 'ix_events_project'}))


def was_told(session: orm.Session, cluster_id: str, message: str) -> bool:
    """Whether a cluster has an event of these words."""
    return session.scalars(sa.select(Event.id).where(
        Event.cluster_id == cluster_id, Event.message == message,
    ).limit(1)).first() is not None
