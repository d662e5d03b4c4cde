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


"""The ways into clusters: one kept ssh connection for each, through a head.

Networks of clusters lead nowhere, and what is at the other end belongs to
somebody else. So every use of a way has a deadline, few at a time use one
cluster's, and a node that does not answer is left alone for a while.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses
import logging
import socket
import threading
import time

from oslo_config import cfg

from hpcdirect import metrics
from hpcdirect import transport
from hpcdirect.backends.base import Backend
from hpcdirect.backends.base import Machine
from hpcdirect.backends.base import MachineStatus
from hpcdirect.conductor.vault import ACCESS_KEY
from hpcdirect.conductor.vault import Vault
from hpcdirect.db import exporters
from hpcdirect.db.session import Database
from hpcdirect.exception import BackendError
from hpcdirect.exception import RunnerError
from hpcdirect.exception import Unavailable
from hpcdirect.keys import KeyRing
from hpcdirect.monitoring.reading import Deadline
from hpcdirect.monitoring.reading import Silent
from hpcdirect.monitoring.reading import Unanswered
from hpcdirect.runners.ansible import folder
from hpcdirect.runners.ansible.tunnel import Tunnel
from hpcdirect.runners.base import Host

LOG = logging.getLogger(__name__)

#: Uses of the way into one cluster at the same time.
_AT_ONCE = 8
#: Seconds after which it is looked whether a cluster is still what it was,
#: and after which a way that nobody uses is closed.
_FRESH, _IDLE = 30.0, 600.0


@dataclasses.dataclass
class _Way:
    """The way into one cluster, as it was opened.

    :param key: the cluster's, with which it was opened.
    :param door: the machine that was logged in to.
    :param addresses: node -> its address, by the backend's word.
    """

    key: str
    door: Host
    tunnel: Tunnel
    addresses: Mapping[str, str]
    looked_at: float
    used_at: float


class Ways:
    """Opens them when they are used; one for a process.

    :param conf: ssh is set up by its group ``[ansible]``.
    """

    def __init__(self, conf: cfg.ConfigOpts, database: Database,
                 keys: KeyRing, backends: Mapping[str, Backend]) -> None:
        self._conf = conf
        self._database = database
        self._keys = keys
        self._backends = backends
        # What one that was killed has left holds keys.
        folder.sweep(conf.ansible.work_path)
        self._endpoints = transport.Endpoints()
        self._lock = threading.Lock()
        self._using: Counter[str] = Counter()
        self._opening: dict[str, threading.Lock] = {}
        self._ways: dict[str, _Way] = {}
        # How often nobody was let in since somebody was.
        self._refusals: Counter[str] = Counter()

    @contextlib.contextmanager
    def connected(self, cluster_id: str, node: str, port: int,
                  deadline: Deadline) -> Iterator[socket.socket]:
        """A connection to a port of a node.

        :raises Unanswered: there is none to be had; a clause says why.
        """
        with self._place(cluster_id), self._patiently(cluster_id, node), \
                self._connection(cluster_id, node, port, deadline) as one:
            yield one

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            ways, self._ways = list(self._ways.values()), {}
        for way in ways:
            way.tunnel.close()

    @contextlib.contextmanager
    def _place(self, cluster_id: str) -> Iterator[None]:
        """One of the few places there are for a cluster."""
        with self._lock:
            if self._using[cluster_id] >= _AT_ONCE:
                raise Unanswered('it has not answered what it was asked '
                                 'before')
            self._using[cluster_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._using[cluster_id] -= 1
                self._using += Counter()

    @contextlib.contextmanager
    def _patiently(self, cluster_id: str, node: str) -> Iterator[None]:
        """Leave a node alone that has been silent."""
        try:
            with self._endpoints.asked(f'ssh://{cluster_id}/{node}') as said:
                try:
                    yield
                    said.append(200)
                except Unanswered as exc:
                    if not isinstance(exc, Silent):
                        said.append(200)
                    raise
        except transport.EndpointDown:
            raise Unanswered('it did not answer several times, and is left '
                             'alone for a while') from None

    def _connection(self, cluster_id: str, node: str, port: int,
                    deadline: Deadline) -> socket.socket:
        for again in (True, False):
            way = self._way(cluster_id, node, deadline)
            try:
                return way.tunnel.connect(way.addresses[node], port,
                                          deadline.left)
            except KeyError:
                raise Unanswered(f'there is no node {node}') from None
            except (OSError, RunnerError) as exc:
                # ssh may have ended since it was used last.
                self._drop(cluster_id, way)
                if not again:
                    raise Silent(f'its way in broke: {exc}') from exc
        raise AssertionError

    def _way(self, cluster_id: str, node: str, deadline: Deadline) -> _Way:
        with self._lock:
            opening = self._opening.setdefault(cluster_id, threading.Lock())
        if not opening.acquire(timeout=deadline.left):
            raise Silent('its way in is still being opened')
        try:
            now = time.monotonic()
            way = self._ways.get(cluster_id)
            if way is None or now - way.looked_at > _FRESH:
                way = self._looked(cluster_id, node, way, deadline)
            way.used_at = now
            return way
        finally:
            opening.release()

    def _looked(self, cluster_id: str, node: str, way: _Way | None,
                deadline: Deadline) -> _Way:
        """The way into a cluster as it is now; another one if need be."""
        try:
            key, machines = self._known(cluster_id, deadline)
        except Unanswered:
            if way is not None:
                self._drop(cluster_id, way)
            raise
        now = time.monotonic()
        addresses = {one.slot: one.address for one in machines if one.address}
        doors = _doors(machines)
        if way is not None:
            if way.key == key and doors.get(way.door.name) == way.door:
                way.addresses, way.looked_at = addresses, now
                return way
            self._drop(cluster_id, way)
        self._tidy(now)
        door = self._door(cluster_id, node, doors)
        way = _Way(key, door, self._entered(cluster_id, door, key, deadline),
                   addresses, now, now)
        with self._lock:
            self._ways[cluster_id] = way
            metrics.WAYS.set(len(self._ways))
        return way

    def _door(self, cluster_id: str, node: str, doors: Mapping[str, Host]
              ) -> Host:
        """The node that is asked, or another; another when it was closed."""
        names = sorted(doors, key=lambda name: (name != node, name))
        with self._lock:
            return doors[names[self._refusals[cluster_id] % len(names)]]

    def _entered(self, cluster_id: str, door: Host, key: str,
                 deadline: Deadline) -> Tunnel:
        try:
            tunnel = Tunnel(self._conf, door, key, deadline.left)
        except (RunnerError, OSError) as exc:
            with self._lock:
                self._refusals[cluster_id] += 1
            raise Silent(f'nobody was let in: {exc}') from exc
        with self._lock:
            del self._refusals[cluster_id]
        return tunnel

    def _known(self, cluster_id: str, deadline: Deadline
               ) -> tuple[str, list[Machine]]:
        """A cluster's key, and the machines that can be reached.

        Where the key is used is the backend's word, not the database's.
        """
        with self._database.read() as session:
            found = exporters.way(session, cluster_id, *ACCESS_KEY)
        if found is None:
            raise Unanswered('the cluster is gone, or has no machines yet')
        backend = self._backends.get(found.backend)
        if backend is None:
            raise Unanswered(f'backend {found.backend} is not enabled where '
                             'hpcdirect-metrics runs')
        try:
            vault = Vault(self._keys, cluster_id)
            vault.open(found.secrets)
            with transport.within(deadline.left):
                infra = backend.observe(backend.reference(
                    cluster_id, found.project_id))
        except (BackendError, Unavailable) as exc:
            raise Silent(str(exc)) from exc
        machines = [one for one in infra.machines if one.ssh
                    and one.status == MachineStatus.UP]
        if not machines:
            raise Unanswered('none of its machines is up')
        return vault.private_key, machines

    def _drop(self, cluster_id: str, way: _Way) -> None:
        with self._lock:
            if self._ways.get(cluster_id) is way:
                del self._ways[cluster_id]
            metrics.WAYS.set(len(self._ways))
        way.tunnel.close()

    def _tidy(self, now: float) -> None:
        """Close those that nobody uses."""
        with self._lock:
            idle = [(ident, way) for ident, way in self._ways.items()
                    if now - way.used_at > _IDLE]
        for ident, way in idle:
            self._drop(ident, way)


def _doors(machines: Iterable[Machine]) -> dict[str, Host]:
    """The machines through which the others are reached, by name.

    Those that are reached themselves without a detour, where there are any.
    """
    found = {one.slot: Host(
        one.slot, '', one.address, one.ssh.host, one.ssh.port, one.ssh.user,
        one.ssh.via, one.ssh.host_key) for one in machines if one.ssh}
    return {name: one for name, one in found.items()
            if not one.ssh_via} or found
