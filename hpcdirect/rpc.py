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

from oslo_config import cfg
import oslo_messaging as messaging

from hpcdirect import failpoints

LOG = logging.getLogger(__name__)

TOPIC = 'hpcdirect-conductor'
#: Messages that never leave the process.
IN_PROCESS = 'fake://'
_VERSION = '1.0'
#: An exchange of our own: that of other services has other properties.
_EXCHANGE = 'hpcdirect'


class ConductorNudge:
    """What the API holds of the conductor.

    :param url: a transport other than the configured one.
    """

    def __init__(self, conf: cfg.ConfigOpts, url: str | None = None) -> None:
        messaging.set_transport_defaults(_EXCHANGE)
        self._client = failpoints.watch(messaging.get_rpc_client(
            messaging.get_rpc_transport(conf, url),
            messaging.Target(topic=TOPIC, version=_VERSION)), 'rpc')

    def advance(self, cluster_id: str) -> None:
        """Say that there is work; never fails, since the scan finds it."""
        try:
            self._client.cast({}, 'advance', cluster_id=cluster_id)
        except Exception:
            # Drivers let through what their libraries raise, too.
            LOG.warning('No nudge for cluster %s; the scan will find it.',
                        cluster_id, exc_info=True)


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
