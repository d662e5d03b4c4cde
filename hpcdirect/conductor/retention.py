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

"""Sees to it that what is over is kept for a while, and not for ever."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import datetime
import random
import time

from sqlalchemy import orm

from hpcdirect.db import purge
from hpcdirect.db.session import Database

#: Seconds between two looks when nothing is to go.
_REST = 600.0


@dataclasses.dataclass
class Retention:
    """Takes away a little each time it is asked to look.

    :param deleted: seconds for which a deleted cluster's events, runs and
        logs are kept; 0 is for ever.
    :param asked: seconds for which Idempotency-Keys and plans are kept.
    :param clock: tells the time, UTC.
    """

    database: Database
    deleted: int
    asked: int
    clock: Callable[[], datetime.datetime]
    _next: float = 0.0

    def look(self) -> None:
        """Take away a piece of what is too old, if it is time to."""
        if time.monotonic() < self._next:
            return
        at = self.clock()
        old = at - datetime.timedelta(seconds=self.asked)
        with self.database.write() as session:
            more = purge.keys(session, old) | purge.plans(session, old)
            more |= purge.processes(session)
            if self.deleted:
                more |= self._deleted(session, at)
        if not more:
            # Conductors that began together are not to go on together.
            self._next = time.monotonic() + random.uniform(  # noqa: S311 # nosec B311
                0.5, 1) * min(_REST, self.asked, self.deleted or self.asked)

    def _deleted(self, session: orm.Session, at: datetime.datetime) -> bool:
        return purge.deleted_clusters(
            session, at - datetime.timedelta(seconds=self.deleted))
