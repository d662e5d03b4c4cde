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

"""The nudge from API to conductor, and the one module of oslo.messaging.

A message may be lost, doubled or late without harm: the conductor finds its
work in the database, and the nudge carries nothing but a cluster's id.
"""

from __future__ import annotations

from collections.abc import Callable
import logging
import os
import queue
import threading

from oslo_config import cfg
import oslo_messaging as messaging

from hpcdirect import failpoints

LOG = logging.getLogger(__name__)

TOPIC = 'hpcdirect-conductor'
#: Messages that never leave the process.
IN_PROCESS = 'fake://'
_VERSION = '1.0'
#: Nudges that wait for a broker; those beyond are dropped.
_MOST = 1000
#: An exchange of our own: that of other services has other properties.
_EXCHANGE = 'hpcdirect'


class ConductorNudge:
    """What the API holds of the conductor.

    A thread of its own sends: a broker that is away, or that says nothing,
    would keep requests waiting for as long.

    :param url: a transport other than the configured one.
    """

    def __init__(self, conf: cfg.ConfigOpts, url: str | None = None) -> None:
        messaging.set_transport_defaults(_EXCHANGE)
        self._client = failpoints.watch(messaging.get_rpc_client(
            messaging.get_rpc_transport(conf, url),
            messaging.Target(topic=TOPIC, version=_VERSION), retry=0), 'rpc')
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._waiting: queue.Queue[str] = queue.Queue(_MOST)

    def advance(self, cluster_id: str) -> None:
        """Say that there is work; never fails, since the scan finds it.

        It never waits either.
        """
        try:
            self._waiting.put_nowait(cluster_id)
        except queue.Full:
            LOG.warning('No nudge for cluster %s: so many wait for the '
                        'broker. The scan will find it.', cluster_id)
            return
        with self._lock:
            # Not before the fork of a server that has several processes.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._send, daemon=True, name='nudge')
                self._thread.start()

    def _send(self) -> None:
        while True:
            self._sent(self._waiting.get())

    def _sent(self, cluster_id: str) -> None:
        try:
            self._client.cast({}, 'advance', cluster_id=cluster_id)
        except Exception as exc:
            # Drivers let through what their libraries raise, too.
            LOG.warning('No nudge for cluster %s, the scan will find it: %s',
                        cluster_id, exc)


class _Endpoint:
    """What a conductor answers to."""

    target = messaging.Target(version=_VERSION)

    def __init__(self, advance: Callable[[str], None]) -> None:
        self._advance = advance

    def advance(self, context: object, cluster_id: str) -> None:
        """A cluster may have work."""
        self._advance(cluster_id)


def server(conf: cfg.ConfigOpts, advance: Callable[[str], None],
           url: str | None = None) -> messaging.RPCServer:
    """The conductor's ear; start() it, and stop() and wait() at the end."""
    messaging.set_transport_defaults(_EXCHANGE)
    return messaging.get_rpc_server(
        messaging.get_rpc_transport(conf, url),
        messaging.Target(topic=TOPIC, version=_VERSION,
                         server=os.uname().nodename),
        [_Endpoint(advance)])
