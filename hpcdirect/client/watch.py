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

"""Follows what a service does, through dropped connections and restarts."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import datetime
import time
from typing import Any
from typing import Protocol
from typing import TypeVar

from keystoneauth1 import exceptions as ksa_exceptions
from openstack import exceptions

#: Seconds that one request for events may wait, as the API has it.
LONGEST_WAIT = 25
#: A service that is restarted is back within this many seconds.
PATIENCE = 300.0
OVER = ('SUCCEEDED', 'FAILED', 'SUPERSEDED')

T = TypeVar('T')


class TimedOut(Exception):
    """The time to wait is over; the work goes on."""


class Reader(Protocol):
    """The one thing that is needed of the proxy."""

    def read(self, path: str, **query: Any) -> dict[str, Any]:
        """The JSON of a GET."""


class Stubborn:
    """Reads again, ever more slowly, when the service does not answer.

    :param deadline: by time.monotonic(); 0 for none.
    :param complain: told once each time the service goes away or is back.
    """

    def __init__(self, reader: Reader, deadline: float = 0,
                 complain: Callable[[str], None] = lambda text: None) -> None:
        self._reader = reader
        self.deadline = deadline
        self.complain = complain

    def read(self, path: str, **query: Any) -> dict[str, Any]:
        """The JSON of a GET.

        :raises TimedOut: the deadline has passed.
        """
        lost, pause = 0.0, 0.25
        while True:
            self.check()
            try:
                found = self._reader.read(path, **query)
            except (exceptions.HttpException, ksa_exceptions.ClientException,
                    ValueError) as exc:
                now = time.monotonic()
                if not _passing(exc) or (lost and now - lost > PATIENCE):
                    raise
                if not lost:
                    self.complain('the service does not answer; trying '
                                  'again')
                lost = lost or now
                self.sleep(pause)
                pause = min(pause * 2, 10)
                continue
            if lost:
                self.complain('the service answers again')
            return found

    def check(self) -> None:
        """Raise TimedOut when the time is over."""
        if self.deadline and time.monotonic() >= self.deadline:
            raise TimedOut

    def sleep(self, seconds: float) -> None:
        """Sleep, but no longer than there is time."""
        time.sleep(max(0.0, self.left(seconds)))

    def left(self, seconds: float) -> float:
        """The seconds, or fewer when the time is over before."""
        if not self.deadline:
            return seconds
        return min(seconds, self.deadline - time.monotonic())


def _passing(exc: Exception) -> bool:
    """Whether trying again can help: no answer, half of one, or a 5xx."""
    status = getattr(exc, 'status_code', None) or getattr(
        exc, 'http_status', None)
    if isinstance(status, int) and status:
        return status >= 500 or status in (408, 429)
    return isinstance(exc, (ksa_exceptions.ConnectionError, ValueError))


def events(reader: Stubborn, query: dict[str, Any], marker: int,
           wait: float) -> tuple[list[dict[str, Any]], int]:
    """What is newer than the marker, and the new marker."""
    seconds = int(max(0, min(wait, LONGEST_WAIT, reader.left(wait))))
    found = reader.read('/events', **query, marker=marker or None,
                        wait=seconds or None, limit=1000,
                        timeout=seconds + 15)['events']
    newer = [one for one in found if one['id'] > marker]
    return newer, max([marker, *(one['id'] for one in newer)])


@dataclasses.dataclass(frozen=True)
class Glimpse:
    """How a deployment stands, and what has happened since the last one."""

    deployment: dict[str, Any]
    events: list[dict[str, Any]]

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.deployment['status'] in OVER


class Follower:
    """A deployment on its way.

    :param timeout: seconds; 0 for none.
    :param poll_interval: seconds between looks when nothing happens.
    """

    def __init__(self, reader: Reader, ident: str, *, timeout: float = 0,
                 poll_interval: float = 5,
                 complain: Callable[[str], None] = lambda text: None
                 ) -> None:
        deadline = time.monotonic() + timeout if timeout else 0.0
        self._reader = Stubborn(reader, deadline, complain)
        self._ident = ident
        self._poll_interval = poll_interval

    def follow(self) -> Iterator[Glimpse]:
        """One glimpse whenever something happened, the last one over.

        :raises TimedOut: it was not over in time.
        """
        marker, query = 0, {'deployment': self._ident}
        wait, state = 0.0, self._read()
        while True:
            over = state['status'] in OVER
            began = time.monotonic()
            found, marker = events(self._reader, query, marker,
                                   0 if over else wait)
            yield Glimpse(state, found)
            if over and not found:
                return
            if not over and time.monotonic() - began < min(wait, 0.2):
                # Not a request for each event; and a server over its cap of
                # long polls answers at once.
                self._reader.sleep(0.4 if found else 1.0)
            wait = self._poll_interval
            # When a state says that it is over, the events read after it
            # are all that there are.
            if not found or any(one['kind'] != 'task' for one in found):
                state = self._read()

    def _read(self) -> dict[str, Any]:
        return self._reader.read(f'/deployments/{self._ident}')


def seconds(step: Mapping[str, Any]) -> float | None:
    """How long a step took; None for one that has not ended."""
    try:
        begin, end = (datetime.datetime.fromisoformat(step[name])
                      for name in ('started_at', 'finished_at'))
    except (KeyError, TypeError, ValueError):
        return None
    return (end - begin).total_seconds()


def log(reader: Reader, run: str, follow: bool, poll_interval: float
        ) -> Iterator[str]:
    """A run's log in pieces."""
    stubborn = Stubborn(reader)
    offset = 0
    while True:
        piece = stubborn.read(f'/runs/{run}/log', offset=offset,
                              limit=65536)
        if piece['text']:
            yield piece['text']
        moved = piece['next_offset'] > offset
        offset = piece['next_offset']
        if not moved and (piece['complete'] or not follow):
            return
        if not moved:
            time.sleep(poll_interval)
