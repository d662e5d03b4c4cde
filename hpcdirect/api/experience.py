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


"""What people may expect, from what came of the same before."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import logging
import threading
import time

from oslo_db import exception as db_exc

from hpcdirect.api.services import Services
from hpcdirect.db import experience
from hpcdirect.db.experience import Typical
from hpcdirect.db.session import Session
from hpcdirect.jsontypes import Object

LOG = logging.getLogger(__name__)

#: Seconds for which what was found is told again: thousands of rows are read.
_KEPT = 60.0


#: Reads how it went before, by name.
Find = Callable[[Session], dict[str, Typical]]


class Experience:
    """Is asked with every list, and asks the database now and then."""

    def __init__(self, services: Services, find: Find = experience.created,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._find = services.database, find
        self._clock = clock
        self._lock = threading.Lock()
        self._until, self._known = 0.0, dict[str, Typical]()

    def of(self, project_id: str | None) -> Callable[[str], Object]:
        """What is told of a blueprint by its name, to a project.

        The catalogue is there without a database, too; then it tells less.
        """
        known: dict[str, Typical] = {}
        mine: dict[str, int] | None = None
        try:
            known = self.typical()
            with self._database.read() as session:
                mine = experience.in_use(session, project_id or '')
        except db_exc.DBError as exc:
            LOG.warning('What came of blueprints is not known: %s', exc)

        def told(name: str) -> Object:
            found = known.get(name)
            return {'typical': dataclasses.asdict(found) if found else None,
                    'in_use': None if mine is None else mine.get(name, 0)}
        return told

    def typical(self) -> dict[str, Typical]:
        """What was found a minute ago at most.

        :raises DBError: the database does not answer.
        """
        # One asks, the others go on with what is known: a database that does
        # not answer keeps them waiting no longer than it has to.
        if self._clock() >= self._until and self._lock.acquire(blocking=False):
            try:
                with self._database.read() as session:
                    self._known = self._find(session)
                self._until = self._clock() + _KEPT
            finally:
                self._lock.release()
        return self._known
