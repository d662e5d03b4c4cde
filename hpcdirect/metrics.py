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
"""The service's own numbers, as Prometheus reads them.

They are kept by the process that does the work and cost no query. Words that
label them are few: routes, not paths; operations, elements and backends, not
clusters.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import errno
import functools
import importlib.metadata
import logging
import os
import pathlib
import threading
import time
from typing import Any
from typing import TypeVar

from oslo_config import cfg
import prometheus_client
from prometheus_client import multiprocess

LOG = logging.getLogger(__name__)

T = TypeVar('T')

#: Where the processes of one API keep what they count together.
_FOLDER = 'PROMETHEUS_MULTIPROC_DIR'
if _FOLDER in os.environ:
    # The library does not make it, and looks for it with the first number.
    pathlib.Path(os.environ[_FOLDER]).mkdir(parents=True, exist_ok=True)

#: Seconds until a port that is taken is tried again.
_AGAIN = 5.0
_QUICK = (.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60)
_LONG = (.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)

# When they began is of no use, and a series for each.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

DEPLOYMENTS = prometheus_client.Counter(
    'hpcdirect_deployments_total', 'Deployments that are over.', ['outcome'])
for _outcome in ('succeeded', 'failed', 'superseded'):
    # What begins with 1 has not increased, Prometheus thinks.
    DEPLOYMENTS.labels(_outcome)
DEPLOYMENT_SECONDS = prometheus_client.Histogram(
    'hpcdirect_deployment_duration_seconds',
    'Time from the begin to the end of deployments that were carried out.',
    ['operation', 'outcome'], buckets=_LONG)
QUEUE_SECONDS = prometheus_client.Histogram(
    'hpcdirect_deployment_queue_seconds',
    'Time from the order to the begin of deployments.', buckets=_LONG)
QUEUE_AGE = prometheus_client.Gauge(
    'hpcdirect_queue_age_seconds',
    'For how long the oldest of the clusters has waited that nobody works '
    'on.', multiprocess_mode='max')
STEP_SECONDS = prometheus_client.Histogram(
    'hpcdirect_step_duration_seconds', 'Time that steps took.',
    ['kind', 'element', 'outcome'], buckets=_LONG)
RUNS = prometheus_client.Gauge(
    'hpcdirect_runs_at_work', 'Runs that are under way on nodes.',
    multiprocess_mode='sum')
HELD = prometheus_client.Gauge(
    'hpcdirect_clusters_held', 'Clusters that the conductor holds.',
    multiprocess_mode='sum')
LEASES_LOST = prometheus_client.Counter(
    'hpcdirect_leases_lost_total',
    'Clusters that were lost before they were given back.')
EVENTS = prometheus_client.Counter(
    'hpcdirect_events_written_total', 'Events that were written.',
    ['kind', 'level'])
BACKEND_SECONDS = prometheus_client.Histogram(
    'hpcdirect_backend_call_duration_seconds',
    'Time that calls of backends took.', ['backend', 'call', 'outcome'],
    buckets=_QUICK)
REQUEST_SECONDS = prometheus_client.Histogram(
    'hpcdirect_http_request_duration_seconds',
    'Time that requests to the API took.', ['method', 'route', 'status'],
    buckets=_QUICK)
#: Whom numbers of clusters are for -> how that went.
CLUSTER_REQUESTS = prometheus_client.Counter(
    'hpcdirect_cluster_requests_total',
    'Times that a cluster was asked for its numbers.', ['kind', 'outcome'])
for _kind in ('chart', 'exporter'):
    for _outcome in ('succeeded', 'failed'):
        CLUSTER_REQUESTS.labels(_kind, _outcome)
WAYS = prometheus_client.Gauge(
    'hpcdirect_cluster_ways', 'Clusters to which a way is open.',
    multiprocess_mode='sum')
_BUILD = prometheus_client.Gauge(
    'hpcdirect_build_info', 'The release that runs.', ['binary', 'version'],
    multiprocess_mode='max')

def watch(backend: T, name: str, methods: Iterable[str]) -> T:
    """Measure each call of a backend's methods that asks its cloud.

    :returns: the backend itself.
    """
    for method in set(methods) - {'close', 'reference'}:
        setattr(backend, method, _watched(
            getattr(backend, method), name, method))
    return backend


def _watched(method: Callable[..., Any], backend: str, name: str
             ) -> Callable[..., Any]:
    @functools.wraps(method)
    def called(*args: Any, **options: Any) -> Any:
        began, outcome = time.monotonic(), 'failed'
        try:
            found = method(*args, **options)
            outcome = 'succeeded'
        finally:
            BACKEND_SECONDS.labels(backend, name, outcome).observe(
                time.monotonic() - began)
        return found

    return called


def serve(conf: cfg.ConfigOpts, binary: str, place: int = 0,
          several: bool = False) -> None:
    """Show the numbers where ``[metrics]`` says, if it does.

    Call it in the process that is meant, not before a fork.

    :param binary: the command that this process is.
    :param place: which port from ``[metrics] port`` on.
    :param several: whether it shares that port with its like, which have to
        count together then.
    """
    if not conf.metrics.port:
        return
    if several and _FOLDER not in os.environ:
        LOG.error('There are no metrics: the server has several processes, '
                  'and those of one are not those of all. Put %s into its '
                  'environment, a folder that is empty when it starts.',
                  _FOLDER)
        return
    _BUILD.labels(binary, importlib.metadata.version('hpcdirect')).set(1)
    threading.Thread(
        target=_listen, daemon=True, name='metrics',
        args=(conf.metrics.host, conf.metrics.port + place)).start()


def _listen(host: str, port: int) -> None:
    """Listen as soon as nobody else does; the rest is the library's."""
    registry, together = prometheus_client.REGISTRY, _FOLDER in os.environ
    if together:
        registry = prometheus_client.CollectorRegistry()
        multiprocess.MultiProcessCollector(  # type: ignore[no-untyped-call]
            registry)
    told = False
    while True:
        try:
            prometheus_client.start_http_server(port, host, registry)
            LOG.info('Metrics are at %s port %d', host, port)
            return
        except OSError as exc:
            # Of those that count together one shows the numbers of all, and
            # the next one when it has ended.
            if not told and not (together
                                 and exc.errno == errno.EADDRINUSE):
                LOG.warning('There are no metrics: %s port %d: %s. Trying '
                            'again.', host, port, exc)
                told = True
        time.sleep(_AGAIN)
