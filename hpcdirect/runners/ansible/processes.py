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

"""Finds and ends every process that a worker started.

Ansible's processes leave the worker's session (a pseudo terminal needs one
of its own, forks and ssh masters detach), so the session alone does not
tell. The worker therefore puts a mark into its environment, which all that
it starts inherit.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
import socket
import time

#: Environment variable that carries ``PID.START`` of the worker.
MARK = 'HPCDIRECT_WORKER'

_POLL = 0.02
_KILL_WAIT = 10.0


@dataclasses.dataclass(frozen=True)
class Status:
    """What /proc tells of a process; *started* is in ticks since boot."""

    state: str
    session: int
    started: int


def status(pid: int) -> Status | None:
    """What is known of a process, None when there is none."""
    try:
        text = pathlib.Path(f'/proc/{pid}/stat').read_text(errors='replace')
    except OSError:
        return None
    # The program's name, in brackets, may hold blanks and brackets.
    fields = text.rpartition(')')[2].split()
    return Status(fields[0], int(fields[3]), int(fields[19]))


def machine() -> str:
    """The name of this machine for as long as it is installed."""
    with contextlib.suppress(OSError):
        name = pathlib.Path('/etc/machine-id').read_text().strip()
        if name:
            return name
    return socket.gethostname()


def mark(pid: int, started: int) -> str:
    """The value of MARK for a worker."""
    return f'{pid}.{started}'


def alive(pid: int, started: int) -> bool:
    """Whether this very process is at work still."""
    found = status(pid)
    return (found is not None and found.started == started
            and found.state not in 'ZX')


def family(pid: int, started: int) -> list[int]:
    """The worker and all it started, as far as they are at work still."""
    leader = status(pid)
    ours = leader is None or leader.started == started
    wanted = f'{MARK}={mark(pid, started)}'.encode()
    found = []
    for name in os.listdir('/proc'):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        each = status(int(name))
        if each is None or each.state in 'ZX':
            continue
        if (ours and each.session == pid) or wanted in _environment(name):
            found.append(int(name))
    return found


def end(pid: int, started: int, grace: float) -> bool:
    """End a worker and all it started.

    :param grace: seconds between asking and killing.
    :returns: False when something is left that cannot be killed.
    """
    _signal(family(pid, started), signal.SIGTERM)
    # A stopped process would keep the request for later.
    _signal(family(pid, started), signal.SIGCONT)
    if _gone(pid, started, grace):
        return True
    limit = time.monotonic() + _KILL_WAIT
    while time.monotonic() < limit:
        _signal(family(pid, started), signal.SIGKILL)
        if _gone(pid, started, 0.2):
            return True
    return False


def _gone(pid: int, started: int, seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while family(pid, started):
        if time.monotonic() >= limit:
            return False
        time.sleep(_POLL)
    return True


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _environment(pid: str) -> list[bytes]:
    try:
        return pathlib.Path(f'/proc/{pid}/environ').read_bytes().split(b'\0')
    except OSError:
        return []
