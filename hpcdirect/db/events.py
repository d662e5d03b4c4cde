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

"""Queries about events."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import paging
from hpcdirect.db.models import Event


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
    plain = paging.Page(limit=page.limit, filters=page.filters)
    return paging.fetch(session, Event, plain, *where)
