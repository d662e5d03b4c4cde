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
it starts inherit. An ssh master writes its title over its environment; that
names its control socket, and so the run's folder.
"""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import os
import pathlib
import signal
import time

import psutil

from hpcdirect.processes import status

#: Environment variable that carries ``PID.START`` of the worker. Its own
#: environment, which nobody can write before it has a pid, says NEW.
MARK = 'HPCDIRECT_WORKER'
NEW = 'new'

_POLL = 0.02
_KILL_WAIT = 10.0
#: Seconds in which an ssh master that is asked to end does so.
_MASTER_GRACE = 5.0


def mark(pid: int, started: int) -> str:
    """The value of MARK for a worker."""
    return f'{pid}.{started}'


def members(pid: int, started: int) -> list[int]:
    """The worker and all it started, as far as they are at work still.

    A process without the mark of a worker is never among them, whatever pid
    somebody has written down.
    """
    leader = status(pid)
    ours = leader is None or leader.started == started
    found = []
    for each in {*psutil.pids()} - {os.getpid()}:
        with contextlib.suppress(psutil.Error):
            said, now = psutil.Process(each).environ().get(MARK), status(each)
            if said and now and not now.over and (
                    said == mark(pid, started)
                    or (ours and now.session == pid)):
                found.append(each)
    return found


def descendants(pid: int) -> list[int]:
    """A process and those below it: far cheaper than members().

    And than psutil's children(), which reads of every process who its parent
    is. What has let go of its parent, as ssh's masters do, is not among them.
    """
    found, left = [], [pid]
    while left:
        each = left.pop()
        found.append(each)
        # A process may end between any two looks at it.
        with contextlib.suppress(OSError):
            for task in os.listdir(f'/proc/{each}/task'):
                with contextlib.suppress(OSError):
                    left += map(int, pathlib.Path(
                        f'/proc/{each}/task/{task}/children'
                    ).read_text().split())
    return found


def end(pid: int, started: int, grace: float) -> bool:
    """End a worker and all it started.

    :param grace: seconds between asking and killing.
    :returns: False when something is left that cannot be killed.
    """
    return _ended(lambda: members(pid, started), grace)


def end_masters(folder: pathlib.Path) -> None:
    """End the ssh connections whose control sockets lie in ``folder/c``.

    Returns when they are gone, or cannot be killed.
    """
    title = f'ssh: {folder}/c/'
    with contextlib.suppress(OSError):
        if any((folder / 'c').iterdir()):
            _ended(lambda: _titled(title), _MASTER_GRACE)


def _titled(title: str) -> list[int]:
    """The processes that call themselves so and have not ended."""
    return [each.pid for each in psutil.process_iter(['cmdline'])
            if ' '.join(each.info['cmdline'] or ()).startswith(title)]


def _ended(left: Callable[[], list[int]], grace: float) -> bool:
    """End processes: ask, wait, kill; False when some cannot be killed.

    :param left: those that there still are.
    """
    _signal(left(), signal.SIGTERM)
    # A stopped process would keep the request for later.
    _signal(left(), signal.SIGCONT)
    if _gone(left, grace):
        return True
    limit = time.monotonic() + _KILL_WAIT
    while time.monotonic() < limit:
        _signal(left(), signal.SIGKILL)
        if _gone(left, 0.2):
            return True
    return False


def _gone(left: Callable[[], list[int]], seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while left():
        if time.monotonic() >= limit:
            return False
        time.sleep(_POLL)
    return True


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
