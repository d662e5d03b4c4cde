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
image's own set-up is through. Machines are tried a few at a time, so that a
thousand new ones neither fill this machine with processes nor the head's
sshd with strangers; the next question tells how it went.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
import contextlib
import dataclasses
import hashlib
import logging
import pathlib
import random
import socket
import threading
import time

from oslo_config import cfg

from hpcdirect import owned
from hpcdirect.exception import RunnerError
from hpcdirect.runners.ansible import folder
from hpcdirect.runners.ansible import ssh
from hpcdirect.runners.base import Batch
from hpcdirect.runners.base import Host

LOG = logging.getLogger(__name__)

#: What cloud-init has not done yet would be done under our feet. Where it is
#: through, or was never there, this ends at once; that it failed is told by
#: what the elements find. It waits there for a moment only: others are next.
_COMMAND = (
    'if command -v cloud-init >/dev/null; then '
    'timeout 5 cloud-init status --wait >/dev/null 2>&1; '
    'case "$(cloud-init status 2>/dev/null)" in '
    '*running*|*"not run"*|*"not started"*) '
    'echo "cloud-init is still at work" >&2; exit 75;; esac; fi; true')
#: Attempts at the same time, in all and through one jump host: sshd refuses
#: by chance when more than ten have not logged in yet.
_AT_ONCE, _THROUGH_ONE = 32, 8
#: Seconds between two attempts at one machine: first, and at most.
_PAUSES = (0.2, 5.0)
#: How much longer each pause is than the one before: so they are a fifth of
#: the time that a machine has taken so far.
_SLOWER = 1.25
#: Seconds for a machine to take a connection.
_KNOCK = 3.0
#: Seconds after which a machine that nobody asks for is forgotten.
_FORGET = 600.0
#: Seconds one attempt may take.
_PATIENCE = 60.0
_CHANCE = random.SystemRandom()


class _Config:
    """The folder that all attempts at one cluster's machines share.

    It is there while it is used: a key lies in it.
    """

    def __init__(self, conf: cfg.ConfigOpts, hosts: tuple[Host, ...],
                 private_key: str) -> None:
        self.hosts = hosts
        self._conf = conf
        self._private_key = private_key
        self._lock = threading.Lock()
        self._users = 0
        self._folder: owned.Folder | None = None

    @contextlib.contextmanager
    def used(self) -> Iterator[pathlib.Path]:
        """The path of ssh's configuration.

        :raises RunnerError: it cannot be written.
        """
        with self._lock:
            if self._folder is None:
                self._folder = folder.of_contact(self._conf, Batch(
                    'contact', '', 0, self.hosts, (), self._private_key))
            self._users += 1
            path = self._folder.path / 'ssh_config'
        try:
            yield path
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._folder.remove()
                    self._folder = None


@dataclasses.dataclass
class _Attempt:
    """How it stands with one machine.

    :param busy: it is tried, or waits for its turn.
    :param said: why it was not reached the last time.
    """

    host: Host
    config: _Config
    asked_at: float
    busy: bool = False
    next_at: float = 0.0
    pause: float = _PAUSES[0]
    said: str = 'ssh has not answered yet'
    reached: bool = False


class Contact:
    """Which machines have been reached; one for a process.

    :param conf: ssh is set up by its group ``[ansible]``.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        self._closed = threading.Event()
        # By the digest of the cluster's key.
        self._configs: dict[str, _Config] = {}
        self._attempts: dict[tuple[str, ...], _Attempt] = {}
        self._waiting: list[_Attempt] = []
        self._running: set[threading.Thread] = set()
        self._through: Counter[str] = Counter()

    def reached(self, hosts: Iterable[Host], names: Collection[str],
                private_key: str) -> dict[str, str]:
        """Ask those that have not answered yet.

        :param hosts: all machines of the cluster whose address is known;
            one may be the jump host of another.
        :param names: the machines in question.
        :returns: name -> '' when it was reached, else why not, so far.
        """
        hosts, now = tuple(hosts), time.monotonic()
        cluster = hashlib.sha256(private_key.encode()).hexdigest()
        with self._lock:
            self._forget(now)
            config = self._configs.get(cluster)
            if config is None or config.hosts != hosts:
                config = _Config(self._conf, hosts, private_key)
                self._configs[cluster] = config
            asked = [self._known(host, config, cluster, now)
                     for host in hosts if host.name in names]
            doors = {(one.host.ssh_host, one.host.ssh_port): one
                     for one in asked}
            said = {one.host.name: self._ask(one, doors, now)
                    for one in asked}
            self._start()
        return said

    def close(self) -> None:
        """End all attempts, and leave nothing of them."""
        self._closed.set()
        with self._lock:
            self._waiting.clear()
            running = list(self._running)
        for thread in running:
            thread.join()

    def _known(self, host: Host, config: _Config, cluster: str, now: float
               ) -> _Attempt:
        key = (cluster, host.ssh_host, str(host.ssh_port), host.ssh_via,
               host.host_key)
        attempt = self._attempts.setdefault(key, _Attempt(host, config, now))
        attempt.asked_at = now
        if not attempt.busy:
            attempt.host, attempt.config = host, config
        return attempt

    def _ask(self, attempt: _Attempt, doors: dict[tuple[str, int], _Attempt],
             now: float) -> str:
        if attempt.reached:
            return ''
        via = attempt.host.ssh_via
        door = doors.get(ssh.place(via)) if via else None
        if door is not None and not door.reached and door is not attempt:
            return f'{door.host.name}, the way to it, has not answered yet'
        if not attempt.busy and now >= attempt.next_at:
            attempt.busy = True
            self._waiting.append(attempt)
        return attempt.said

    def _start(self) -> None:
        """Let those begin that may, in the order in which they came."""
        while len(self._running) < _AT_ONCE and not self._closed.is_set():
            first = next((one for one in self._waiting if not (
                one.host.ssh_via and self._through[one.host.ssh_via]
                >= _THROUGH_ONE)), None)
            if first is None:
                return
            self._waiting.remove(first)
            self._through[first.host.ssh_via] += 1
            thread = threading.Thread(
                target=self._try, args=(first, first.host), daemon=True)
            self._running.add(thread)
            thread.start()

    def _try(self, attempt: _Attempt, host: Host) -> None:
        said = 'It could not be tried; the log has the details.'
        try:
            said = self._contacted(host, attempt.config)
        except (RunnerError, OSError) as exc:
            said = str(exc)
        except Exception:
            LOG.exception('Machine %s could not be tried.', host.name)
        finally:
            with self._lock:
                attempt.said, attempt.reached = said, not said
                attempt.busy = False
                # Machines that came together do not all ask together.
                spread = _CHANCE.uniform(0.75, 1.25)
                attempt.next_at = time.monotonic() + attempt.pause * spread
                attempt.pause = min(_PAUSES[1], attempt.pause * _SLOWER)
                self._running.discard(threading.current_thread())
                self._through[host.ssh_via] -= 1
                self._start()

    def _contacted(self, host: Host, config: _Config) -> str:
        """'' when a machine let us in, else why not."""
        if not host.ssh_via:
            # Far cheaper than ssh where nobody listens yet.
            with socket.create_connection((host.ssh_host, host.ssh_port),
                                          _KNOCK):
                pass
        with config.used() as path:
            code, said = ssh.ask(
                ['-F', str(path), '-n', host.name, _COMMAND],
                ssh.Patience(_PATIENCE, self._closed))
        if not code:
            return ''
        return said.rpartition('\n')[2] or f'ssh ended with {code}'

    def _forget(self, now: float) -> None:
        for key, attempt in list(self._attempts.items()):
            if now - attempt.asked_at > _FORGET and not attempt.busy:
                del self._attempts[key]
        clusters = {key[0] for key in self._attempts}
        for cluster in set(self._configs) - clusters:
            del self._configs[cluster]
        self._through = +self._through
