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

"""A clock by which things end: it may be late, and is never early.

Clocks are set: by hand, by NTP, by a host that moves. What ends at some time
must not end an hour early because of that.
"""

from __future__ import annotations

from collections.abc import Callable
import threading
import time

#: How fast a clock that was set ahead is followed: so many seconds in one.
_PACE = 2.0


class SteadyClock:
    """Tells the earliest of some clocks, and never jumps ahead.

    A step ahead is followed at twice the pace, so an hour takes an hour; a
    step back is followed at once.

    :param clocks: each tells seconds since 1970, or None while it cannot.
    """

    def __init__(self, *clocks: Callable[[], float | None]) -> None:
        self._clocks = clocks
        self._lock = threading.Lock()
        self._last = float('inf')
        self._at = time.monotonic()

    def __call__(self) -> float:
        """Seconds since 1970."""
        told = min(clock for clock in (one() for one in self._clocks)
                   if clock is not None)
        with self._lock:
            now = time.monotonic()
            self._last = min(told, self._last + _PACE * (now - self._at))
            self._at = now
            return self._last
