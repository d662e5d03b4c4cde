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

"""Long polls: requests for events that are kept open for a while.

Each occupies a thread of the server, so there is a cap for the process;
over it, the answer comes at once and the client asks again.
"""

from __future__ import annotations

import threading
import time

from hpcdirect.api.services import Services
from hpcdirect.db import events
from hpcdirect.db.paging import Listing
from hpcdirect.db.paging import Page

#: Seconds between looks; each is one query over an index.
_INTERVAL = 0.25


class Waiting:
    """Waits for events, for a number of requests at the same time."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._longest = services.conf.api.long_poll_seconds
        self._places = threading.Semaphore(services.conf.api.max_waiting)

    def events(self, project: str | None, page: Page, seconds: float
               ) -> Listing:
        """A page of events; waits for the first one, but not too long."""
        found = self._look(project, page)
        if found.rows or not seconds or not self._places.acquire(
                blocking=False):
            return found
        try:
            return self._wait(project, page, min(seconds, self._longest))
        finally:
            self._places.release()

    def _wait(self, project: str | None, page: Page, seconds: float
              ) -> Listing:
        until = time.monotonic() + seconds
        while True:
            left = until - time.monotonic()
            time.sleep(max(0.0, min(_INTERVAL, left)))
            found = self._look(project, page)
            if found.rows or left <= _INTERVAL:
                return found

    def _look(self, project: str | None, page: Page) -> Listing:
        with self._database.read() as session:
            return events.listing(session, project, page)
