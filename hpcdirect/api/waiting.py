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

from collections.abc import Iterator
import contextlib
import dataclasses
import threading
import time

from hpcdirect.api.services import Services
from hpcdirect.db import events
from hpcdirect.db.horizon import Horizon
from hpcdirect.db.horizon import Sight
from hpcdirect.db.paging import Listing
from hpcdirect.db.paging import Page

#: Seconds between looks; one look is for all who wait in this process.
_INTERVAL = 0.25


class Waiting:
    """Waits for events, for a number of requests at the same time."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._longest = services.conf.api.long_poll_seconds
        self._places = Places(services.conf.api.max_waiting)
        self._horizon = Horizon(services.database)

    def events(self, project: str | None, page: Page, seconds: float
               ) -> Listing:
        """A page of events; waits for the first one, but not too long."""
        # Before the events are read: what comes after it counts again.
        sight = self._horizon.look() \
            if seconds or not events.in_order(page) else Sight()
        found = self._read(project, page, sight)
        if found.rows or not seconds:
            return found
        with self._places.taken(project or '') as leave:
            if leave is None:
                return found
            return self._wait(project, page, sight, _Until(
                time.monotonic() + min(seconds, self._longest), leave))

    def _wait(self, project: str | None, page: Page, sight: Sight,
              until: _Until) -> Listing:
        known = sight.news(project)
        while True:
            over = until.over(_INTERVAL)
            sight = self._horizon.look(_INTERVAL / 2)
            if over or sight.news(project) != known:
                known = sight.news(project)
                found = self._read(project, page, sight)
                if over or found.rows:
                    return found

    def _read(self, project: str | None, page: Page, sight: Sight) -> Listing:
        until = None if events.in_order(page) else sight.settled
        with self._database.read() as session:
            return events.listing(session, project, page, until)


@dataclasses.dataclass(frozen=True)
class _Until:
    """How long to wait: to a moment, or until somebody else is to."""

    moment: float
    leave: threading.Event

    def over(self, interval: float) -> bool:
        """Wait for *interval* seconds at most; whether that was the last."""
        left = self.moment - time.monotonic()
        return self.leave.wait(max(0.0, min(interval, left))) \
            or left <= interval


class Places:
    """The places to wait in, shared out among projects.

    A project may have all of them; but when another one wants to wait and
    has fewer, the longest to wait of the project with the most goes.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._lock = threading.Lock()
        self._taken: dict[str, list[threading.Event]] = {}

    @contextlib.contextmanager
    def taken(self, project: str) -> Iterator[threading.Event | None]:
        """Have a place, or None; who is to leave it sees the event set."""
        place = self._take(project)
        try:
            yield place
        finally:
            if place is not None:
                self._give_back(project, place)

    def _take(self, project: str) -> threading.Event | None:
        with self._lock:
            own = len(self._taken.get(project, ()))
            if sum(map(len, self._taken.values())) >= self._number:
                most = max(self._taken.values(), key=len, default=[])
                if len(most) <= own + 1:
                    return None
                most.pop(0).set()
            place = threading.Event()
            self._taken.setdefault(project, []).append(place)
            return place

    def _give_back(self, project: str, place: threading.Event) -> None:
        with self._lock:
            places = self._taken.get(project, [])
            if place in places:
                places.remove(place)
            if not places:
                self._taken.pop(project, None)
