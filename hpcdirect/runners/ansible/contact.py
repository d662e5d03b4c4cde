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


"""Finds out, in the background, which machines let the cluster's key in.

A cloud says that a machine runs long before sshd answers there and the
image's own set-up is through. Each machine is asked by a process of ssh that
nobody waits for; the next question tells how it went.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
import dataclasses
import subprocess
import threading
import time

from oslo_config import cfg

from hpcdirect import owned
from hpcdirect.exception import RunnerError
from hpcdirect.runners.ansible import folder
from hpcdirect.runners.base import Batch
from hpcdirect.runners.base import Host

#: What cloud-init has not done yet would be done under our feet. Where it is
#: through, or was never there, this ends at once; that it failed is told by
#: what the elements find.
_COMMAND = ('if command -v cloud-init >/dev/null; then '
            'cloud-init status --wait >/dev/null 2>&1; fi; true')
#: Seconds between two attempts at one machine: first, and at most.
_PAUSES = (0.2, 5.0)
#: Seconds after which a machine that nobody asks for is forgotten.
_FORGET = 600.0
#: Seconds one attempt may take; cloud-init may have much to do.
_PATIENCE = 900.0


@dataclasses.dataclass
class _Attempt:
    """How it stands with one machine.

    :param said: ssh's last words when the last attempt failed.
    """

    asked_at: float
    process: subprocess.Popen[bytes] | None = None
    folder: owned.Folder | None = None
    begun: float = 0.0
    next_at: float = 0.0
    pause: float = _PAUSES[0]
    said: str = ''
    reached: bool = False


class Contact:
    """Which machines have been reached; one for a process.

    :param conf: ssh is set up by its group ``[ansible]``.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._attempts: dict[tuple[str, ...], _Attempt] = {}
        self._lock = threading.Lock()

    def reached(self, hosts: Iterable[Host], names: Collection[str],
                private_key: str) -> dict[str, str]:
        """Ask those that have not answered yet.

        :param hosts: all machines of the cluster whose address is known;
            one may be the jump host of another.
        :param names: the machines in question.
        :returns: name -> '' when it was reached, else why not, so far.
        """
        hosts = tuple(hosts)
        now = time.monotonic()
        with self._lock:
            self._forget(now)
            return {host.name: self._ask(host, hosts, private_key, now)
                    for host in hosts if host.name in names}

    def _ask(self, host: Host, hosts: tuple[Host, ...], private_key: str,
             now: float) -> str:
        key = (host.ssh_host, str(host.ssh_port), host.ssh_via,
               host.host_key)
        attempt = self._attempts.setdefault(key, _Attempt(now))
        attempt.asked_at = now
        if attempt.process is not None:
            self._listen(attempt, now)
        if (not attempt.reached and attempt.process is None
                and now >= attempt.next_at):
            self._begin(attempt, host, hosts, private_key, now)
        if attempt.reached:
            return ''
        return attempt.said or 'ssh has not answered yet'

    def _begin(self, attempt: _Attempt, host: Host, hosts: tuple[Host, ...],
               private_key: str, now: float) -> None:
        try:
            attempt.folder = folder.of_contact(self._conf, Batch(
                host.name, '', 0, hosts, (), private_key))
        except RunnerError as exc:
            attempt.said = str(exc)
            attempt.next_at = now + _PAUSES[1]
            return
        attempt.begun = now
        path = attempt.folder.path
        with open(path / 'said', 'wb') as said:
            attempt.process = subprocess.Popen(
                ['ssh', '-F', str(path / 'ssh_config'),
                 '-n', host.name, _COMMAND],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=said, start_new_session=True)

    @staticmethod
    def _listen(attempt: _Attempt, now: float) -> None:
        """See whether an attempt is over, and how it went."""
        process, own = attempt.process, attempt.folder
        if process is None or own is None:
            return
        if process.poll() is None:
            if now - attempt.begun < _PATIENCE:
                return
            process.kill()
            process.wait()
        attempt.reached = process.returncode == 0
        words = (own.path / 'said').read_text(errors='replace').strip()
        attempt.said = words.rpartition('\n')[2] if words else ''
        attempt.process = attempt.folder = None
        attempt.next_at = now + attempt.pause
        attempt.pause = min(_PAUSES[1], attempt.pause * 1.5)
        own.remove()

    def close(self) -> None:
        """End all attempts, and leave nothing of them."""
        with self._lock:
            self._forget(float('inf'))

    def _forget(self, now: float) -> None:
        for key, attempt in list(self._attempts.items()):
            if now - attempt.asked_at > _FORGET:
                if attempt.process is not None:
                    attempt.process.kill()
                    attempt.process.wait()
                if attempt.folder is not None:
                    attempt.folder.remove()
                del self._attempts[key]
