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

"""Passwords that are tried: a few at a time, and not again at once."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import math
import threading
import time

from hpcdirect.api.errors import ProtocolError

#: Passwords that a process compares at the same time; each takes a core for
#: a tenth of a second or more. Who gets no place in so many seconds goes.
_AT_ONCE = 2
_PATIENCE = 5.0
#: Wrong passwords that cost no wait: of a name, and of an address.
_FREE = (5, 20)
#: The longest wait, and after what time of peace all is forgotten; seconds.
_LONGEST = 30.0
_FORGOTTEN = 900.0
#: Names and addresses that are remembered; the oldest give way.
_REMEMBERED = 10000


@dataclasses.dataclass
class _Record:
    """Wrong passwords, and until when no other one is looked at."""

    wrong: int = 0
    last: float = 0.0
    until: float = 0.0


class Attempts:
    """Who has tried wrong passwords, and how long they have to wait.

    Each wrong one beyond those that are free doubles the wait, from a second
    to half a minute. A name has to wait at one address only, so that nobody
    can keep somebody else out by trying their name.

    :param clock: seconds, from anywhere, that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._records: dict[tuple[str, ...], _Record] = {}

    @contextlib.contextmanager
    def place(self, name: str, address: str) -> Iterator[None]:
        """A place to compare a password of *name* at *address*.

        :raises ProtocolError: 429, with the seconds to wait; 503 when others
            take all places.
        """
        with self._lock:
            until = max(self._records.get(key, _Record()).until
                        for key in _keys(name, address))
        left = until - self._clock()
        if left > 0:
            raise ProtocolError(
                429, 'Too many wrong passwords; try again later.',
                {'Retry-After': str(math.ceil(left))})
        if not self._places.acquire(timeout=_PATIENCE):
            raise ProtocolError(503, 'Too many passwords are being tried.')
        try:
            yield
        finally:
            self._places.release()

    def right(self, name: str, address: str) -> None:
        """It was right: what the name did wrong here is forgotten.

        Not what others did at the address: an account of one's own must not
        pay for guesses at theirs.
        """
        with self._lock:
            self._records.pop(_keys(name, address)[0], None)

    def wrong(self, name: str, address: str) -> None:
        """It was wrong."""
        now = self._clock()
        with self._lock:
            for key, free in zip(_keys(name, address), _FREE, strict=True):
                record = self._records.pop(key, _Record())
                if now - record.last > _FORGOTTEN:
                    record = _Record()
                record.wrong, record.last = record.wrong + 1, now
                over = record.wrong - free
                if over > 0:
                    record.until = now + min(2.0 ** min(over - 1, 10),
                                             _LONGEST)
                self._records[key] = record
            while len(self._records) > _REMEMBERED:
                del self._records[next(iter(self._records))]


def _keys(name: str, address: str) -> tuple[tuple[str, ...], ...]:
    return (name, address), (address,)
