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


"""Up to which event all are there that ever will be.

Ids are given out one by one, so one that is missing belongs to a transaction
that is not over, or was rolled back. Galera counts in larger steps; all that
writes has to go to one of its servers. SQLite has one writer at a time: what
comes later is later.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import datetime
import threading
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db.models import Event
from hpcdirect.db.models import now
from hpcdirect.db.session import Database

#: So many of the newest events are looked at for gaps.
_NEWEST = 5000
#: After so many seconds a gap stays one: its transaction was rolled back.
_UNDER_WAY = 30.0

_AFTER = sa.select(Event.id, Event.at, Event.project_id).where(
    Event.id >= sa.bindparam('known')).order_by(Event.id).limit(_NEWEST + 1)
_HIGHEST = sa.select(sa.func.max(Event.id))


@dataclasses.dataclass(frozen=True)
class Sight:
    """What there was at one look.

    :param settled: up to this event, nothing will come in between.
    :param changes: how often there was something new so far.
    :param projects: project -> the last of those changes that was its own.
    :param rest: the last change that may have been anybody's.
    """

    settled: int = 0
    changes: int = 0
    projects: Mapping[str, int] = dataclasses.field(default_factory=dict)
    rest: int = 0

    def news(self, project_id: str | None) -> int:
        """Another number whenever a project (None: any) has new events."""
        if project_id is None:
            return self.changes
        return max(self.rest, self.projects.get(project_id, 0))


class Horizon:
    """Looks at each new event once, for all readers of this process.

    :param clock: seconds of a clock that nobody sets.
    """

    def __init__(self, database: Database,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._sight = Sight()
        self._looked: float | None = None
        # Events that are there, behind a gap; and gaps, since when.
        self._behind: dict[int, str] = {}
        self._gaps: dict[int, float] = {}

    def look(self, within: float = 0.0) -> Sight:
        """What there is now.

        :param within: what was seen so many seconds ago will do.
        """
        asked = self._clock() - within
        with self._lock:
            if self._looked is None or self._looked < asked:
                begin = self._clock()
                with self._database.read() as session:
                    self._sight = self._seen(session)
                self._looked = begin
            return self._sight

    def _seen(self, session: orm.Session) -> Sight:
        known = self._sight.settled
        rows = self._after(session, known)
        # Without a row that is known there is nothing to go on from: this is
        # the first look, or the newest events were taken away.
        if len(rows) > _NEWEST or not rows or rows[0].id != known:
            highest = session.scalar(_HIGHEST) or 0
            if highest == known:
                return self._sight
            known = max(0, highest - _NEWEST)
            self._behind.clear()
            changes = self._sight.changes + 1
            self._sight = dataclasses.replace(
                self._sight, changes=changes, rest=changes, projects={})
            rows = self._after(session, known)
        return self._advanced(session, known, [
            row for row in rows if row.id > known])

    @staticmethod
    def _after(session: orm.Session, known: int) -> Sequence[Any]:
        return session.execute(_AFTER, {'known': known}).all()

    def _advanced(self, session: orm.Session, known: int, rows: Sequence[Any]
                  ) -> Sight:
        """The sight with these events, which are all beyond what is known."""
        settled = self._settled(session, known, rows)
        behind = {row.id: row.project_id for row in rows
                  if row.id > settled}
        fresh = {row.project_id for row in rows
                 if row.id <= settled or row.id not in self._behind}
        self._behind = behind
        self._gaps = {place: since for place, since in self._gaps.items()
                      if place >= settled}
        changes = self._sight.changes + bool(fresh)
        return dataclasses.replace(
            self._sight, settled=settled, changes=changes,
            projects={**self._sight.projects,
                      **dict.fromkeys(fresh, changes)} if fresh
            else self._sight.projects)

    def _settled(self, session: orm.Session, known: int,
                 rows: Sequence[Any]) -> int:
        """The last event before the first gap that is open."""
        if session.get_bind().dialect.name == 'sqlite':
            return rows[-1].id if rows else known
        step = self._step(session) if rows else 1
        for row in rows:
            if row.id > known + step and self._open(known, row.at):
                return known
            known = row.id
        return known

    def _open(self, place: int, at: datetime.datetime) -> bool:
        """Whether what is missing behind an event may come yet.

        :param at: when what follows was written; that is asked only of what
            happened while nobody looked, since clocks may be set.
        """
        moment = self._clock()
        since = self._gaps.setdefault(place, moment)
        unseen = self._looked is None or moment - self._looked > _UNDER_WAY
        old = at < now() - datetime.timedelta(seconds=_UNDER_WAY)
        return moment - since < _UNDER_WAY and not (unseen and old)

    @staticmethod
    def _step(session: orm.Session) -> int:
        if session.get_bind().dialect.name == 'postgresql':
            return 1
        return int(session.scalar(
            sa.text('SELECT @@auto_increment_increment')) or 1)
