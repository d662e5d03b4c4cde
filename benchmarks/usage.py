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

"""What processes have used."""

from __future__ import annotations

import bisect
import os
import pathlib
import threading
import time


def cpu(pid: int, children: bool = False) -> float:
    """Seconds of CPU that a process has had, its ended threads among them.

    :param children: with those of its children that have ended; proc(5).
    :raises OSError: it is gone.
    """
    stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
    fields = stat.rpartition(')')[2].split()
    return sum(map(int, fields[11:15 if children else 13])) / os.sysconf(
        'SC_CLK_TCK')


class Meter(threading.Thread):
    """Watches what CPU a process and its children have had, as time passes.

    A child counts when it has ended.
    """

    _SECONDS = 0.05

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._over = threading.Event()
        self._times: list[float] = []
        self._seen: list[tuple[float, float]] = []

    def __enter__(self) -> Meter:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        """Look, until nobody wants to know any more."""
        while True:
            own = cpu(self._pid)
            self._seen.append((own, cpu(self._pid, children=True) - own))
            self._times.append(time.time())
            if self._over.wait(self._SECONDS):
                return

    def at(self, moment: float) -> tuple[float, float]:
        """Seconds of CPU until a moment: its own, its children's."""
        found = bisect.bisect_right(self._times, moment) - 1
        return self._seen[max(0, found)]
