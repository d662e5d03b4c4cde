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

"""Names for processes that stay right for as long as anybody may read them.

A pid alone says little: it is used again, each container counts its own, and
machines can share a host name. A name therefore carries the machine's host
name, the kernel's boot, the PID namespace, the pid, and the start time.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib

_BOOT = pathlib.Path('/proc/sys/kernel/random/boot_id')
_NAMESPACE = '/proc/self/ns/pid'


@dataclasses.dataclass(frozen=True)
class Status:
    """What the kernel says of a process.

    :param state: one letter, as in ps(1); 'Z' is a zombie.
    :param started: clock ticks between the boot and its start. Unlike a
        time of day this does not move when the clock is set.
    """

    state: str
    session: int
    started: int

    @property
    def over(self) -> bool:
        """Whether it has ended, and only waits to be reaped."""
        return self.state in 'ZX'


def status(pid: int) -> Status | None:
    """What is known of a process; None when it cannot be seen."""
    try:
        text = pathlib.Path(f'/proc/{pid}/stat').read_text(errors='replace')
    except OSError:
        return None
    # The program's name, in brackets, may hold blanks and brackets.
    fields = text.rpartition(')')[2].split()
    return Status(fields[0], int(fields[3]), int(fields[19]))


def alive(pid: int, started: int) -> bool:
    """Whether the process that had this pid and start time is at work."""
    found = status(pid)
    return (found is not None and found.started == started
            and not found.over)


def started(pid: int) -> int:
    """A process's start time in ticks since boot; 0 when it is gone."""
    found = status(pid)
    return found.started if found else 0


@functools.cache
def place() -> str:
    """Where this process's pids are valid: ``host:boot:namespace``.

    :returns: the same for two processes exactly when a pid means the same
        to both.
    """
    return (f'{os.uname().nodename}:{_BOOT.read_text().strip()}:'
            f'{os.stat(_NAMESPACE).st_ino}')


def name() -> str:
    """The name of this process, at most 160 characters.

    :returns: ``host:boot:namespace:pid:start``.
    """
    return f'{place()}:{os.getpid()}:{started(os.getpid())}'


def is_dead(name: str) -> bool:
    """Whether the process of that name has certainly ended.

    :param name: what name() said in that process; any other text is the
        name of a process of which nothing is known.
    :returns: False also when it cannot be told from here: it ran in another
        container, on another machine, or before this machine's last boot.
    """
    where, pid, start = name.rsplit(':', 2) if name.count(':') > 1 else (
        '', '', '')
    if where != place() or not (pid.isdecimal() and start.isdecimal()):
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass
    # There is one with this pid, but /proc may be hidden from us.
    found = status(int(pid))
    return found is not None and (found.over or found.started != int(start))
