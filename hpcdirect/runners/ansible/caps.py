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

"""What one batch may take of this machine; one that takes more is ended.

What nodes answer is read by processes of ours, and a node may be hostile. The
kernel limits each process, but not all of a batch together without rights
that the service has no other use for; so they are counted now and then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import resource
import time

import psutil

from hpcdirect.runners.ansible import family

_MIB = 1024 * 1024
#: Seconds between two counts.
_INTERVAL = 2.0
#: Bytes that a file of a batch may have.
_FILE = 256 * _MIB
#: How gladly the kernel takes a process when memory is short, up to 1000.
_SPARE = 600


def limit(memory: int) -> None:
    """Let the kernel limit this process, and all that it starts.

    :param memory: MiB that a process may have for itself.
    """
    for kind, most in ((resource.RLIMIT_DATA, memory * _MIB),
                       (resource.RLIMIT_FSIZE, _FILE),
                       (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(kind, (most, most))
    with contextlib.suppress(OSError):
        pathlib.Path('/proc/self/oom_score_adj').write_text(str(_SPARE))


@dataclasses.dataclass
class Caps:
    """What a batch may have; exceeded() is asked again and again.

    :param pid: of its worker.
    :param memory: MiB.
    :param seconds: from now on.
    """

    pid: int
    memory: int
    processes: int
    seconds: float

    def __post_init__(self) -> None:
        self._end = time.monotonic() + self.seconds
        self._next = 0.0

    def exceeded(self) -> str:
        """Why the batch is to be ended; '' when it is not."""
        now = time.monotonic()
        if now > self._end:
            return f'The run took longer than {self.seconds:g} s.'
        if now < self._next:
            return ''
        self._next = now + _INTERVAL
        found = family.descendants(self.pid)
        if len(found) > self.processes:
            return (f'The run had {len(found)} processes; {self.processes} '
                    'are allowed.')
        # Pages that forks share are counted once only where it matters.
        if (sum(map(_resident, found)) > self.memory
                and sum(map(_own, found)) > self.memory):
            return f'The run used more than {self.memory} MiB of memory.'
        return ''


def _resident(pid: int) -> float:
    """MiB of a process, with what it shares; cheap."""
    with contextlib.suppress(psutil.Error):
        return float(psutil.Process(pid).memory_info().rss) / _MIB
    return 0.0


def _own(pid: int) -> float:
    """MiB of a process, with its part of what it shares."""
    with contextlib.suppress(psutil.Error):
        return float(psutil.Process(pid).memory_full_info().pss) / _MIB
    return 0.0
