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

"""Builds the parts of a process from its configuration.

Only here and in the entry points is the global configuration named; every
part is handed what it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import ipaddress
import logging
import signal
import socket

from oslo_config import cfg
from oslo_log import log

from hpcdirect import conf as options
from hpcdirect import metrics
from hpcdirect import plugins
from hpcdirect import rpc
from hpcdirect.api import app
from hpcdirect.api import charting
from hpcdirect.api import server
from hpcdirect.backends.base import Backend
from hpcdirect.conductor import reconciler
from hpcdirect.conductor import service
from hpcdirect.db.session import Database
from hpcdirect.exception import Unavailable
from hpcdirect.heartbeat import Heartbeat
from hpcdirect.keys import KeyRing
from hpcdirect.keystone import Keystone
from hpcdirect.monitoring.application import Application
from hpcdirect.monitoring.numbers import Numbers
from hpcdirect.monitoring.ways import Ways
from hpcdirect.policies import Enforcer
from hpcdirect.runners.base import ElementRunner
from hpcdirect.sources.base import Source
from hpcdirect.sources.catalogue import Catalogue
from hpcdirect.sources.defaults import Defaults

LOG = logging.getLogger(__name__)


def configure(argv: Sequence[str]) -> cfg.ConfigOpts:
    """Read configuration and set up logging."""
    conf = cfg.CONF
    options.register_opts(conf)
    log.register_options(conf)
    # What a line is about is a cluster here; oslo.log calls it an instance.
    conf.set_default('instance_uuid_format', '[cluster %(uuid)s] ')
    conf(list(argv), project='hpcdirect', prog='hpcdirect')
    log.setup(conf, 'hpcdirect')
    return conf


def until_told() -> Callable[[], None]:
    """Mind SIGTERM and SIGINT from now on, instead of ending at once.

    :returns: waits until one of them came; it may have come before.
    """
    # A handler runs when the main thread gets to it. One that waits for a lock
    # does not, if the signal came just before, or if another thread took it;
    # and setting an Event there may wait for itself. What the signal
    # writes to a socket is there to be read, whoever took it.
    told, tell = socket.socketpair()
    tell.setblocking(False)
    signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        signal.signal(number, lambda *_: None)

    def wait() -> None:
        # The other end is closed with the last who holds it: this does.
        with tell:
            while told.recv(1)[0] not in numbers:
                pass
            signal.set_wakeup_fd(-1)
    return wait


def check_exposed(conf: cfg.ConfigOpts, host: str | None) -> None:
    """Refuse to believe everybody on a network.

    :param host: address that the API will listen on; None when another
        server decides.
    :raises Unavailable: ``auth_strategy = noauth``, and others than this
        machine's own users could ask.
    """
    if conf.api.auth_strategy != 'noauth':
        return
    try:
        inside = host is not None and all(
            ipaddress.ip_address(found[4][0]).is_loopback
            for found in socket.getaddrinfo(host, None))
    except OSError:
        inside = False
    if not inside:
        raise Unavailable(reason=(
            '[api] auth_strategy = noauth lets everybody do everything. It '
            'is for tests, and only with [api] host = 127.0.0.1 and without '
            'another server in front.'))


class Assembly:
    """The parts API and conductor share, each built once per process."""

    def __init__(self, conf: cfg.ConfigOpts, *, own_key: bool = False
                 ) -> None:
        self.conf = conf
        self.keys = (KeyRing.load_or_create if own_key else KeyRing.load)(
            conf.key_file, conf.key_scheme)
        self.database = Database(conf)
        self.policy = Enforcer(conf)
        self.catalogue = Catalogue(plugins.load(
            Source, 'sources', conf.enabled_sources, conf).values(),
            Defaults(conf.blueprints.default))
        self.backends = plugins.load(
            Backend, 'backends', conf.enabled_backends, conf)

    def services(self, url: str | None = None,
                 charts: charting.Charts | None = None) -> app.Services:
        """What the API is built from.

        :param url: where nudges go, when not where configured.
        :param charts: asks clusters for numbers, when not the
            hpcdirect-metrics that is configured.
        """
        endpoint = self.conf.monitoring.endpoint
        return app.Services(
            conf=self.conf, database=self.database, keys=self.keys,
            policy=self.policy, catalogue=self.catalogue,
            backends=self.backends,
            conductor=rpc.ConductorNudge(self.conf, url),
            keystone=Keystone(self.conf)
            if self.conf.api.auth_strategy == 'keystone' else None,
            charts=charting.Bounded(
                charts or (charting.Remote(endpoint, self.keys)
                           if endpoint else charting.NoCharts()),
                self.conf.api.threads // 2))

    def numbers(self) -> Numbers:
        """Who asks clusters for numbers; to be closed at the end."""
        return Numbers(self.database, self.catalogue, Ways(
            self.conf, self.database, self.keys, self.backends))

    def listen(self, numbers: Numbers) -> server.Server | None:
        """Serve numbers where ``[monitoring]`` says; None: nowhere."""
        said = self.conf.monitoring
        return server.serve(
            Application(self.conf, self.keys, numbers), self.conf,
            server.ListenAddress('metrics', said.host, said.port, said.threads)
        ) if said.port else None

    def appear(self, binary: str, place: int = 0, several: bool = False
               ) -> Heartbeat:
        """Let this process be seen, by administrators and by Prometheus.

        Call it in the process that is meant, not before a fork.

        :param binary: the command that it is.
        :param place: which port from ``[metrics] port`` on.
        :param several: whether it shares that port with its like.
        :returns: to be stopped at the end.
        """
        metrics.serve(self.conf, binary, place, several)
        heartbeat = Heartbeat(self.database, binary,
                              self.conf.heartbeat.interval)
        heartbeat.start()
        return heartbeat

    def conductor(self) -> service.Conductor:
        """A conductor, not started."""
        return service.Conductor(reconciler.Parts(
            conf=self.conf, database=self.database, keys=self.keys,
            policy=self.policy, load=self.catalogue.blueprint,
            element_of=self.catalogue.element,
            backends=self.backends, runners=plugins.load(
                ElementRunner, 'runners', self.conf.enabled_runners,
                self.conf)))
