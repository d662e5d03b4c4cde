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


"""Numbers of clusters: what the API and a site's own Prometheus are given."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses
import json
import threading
import time
from typing import Any
import urllib.parse

from hpcdirect import charts
from hpcdirect import metrics
from hpcdirect.blueprints.model import Element
from hpcdirect.blueprints.model import Exporter
from hpcdirect.charts import Asked
from hpcdirect.charts import Query
from hpcdirect.db import exporters
from hpcdirect.db.exporters import Standing
from hpcdirect.db.session import Database
from hpcdirect.exception import NotFound
from hpcdirect.exception import Unread
from hpcdirect.monitoring import reading
from hpcdirect.monitoring.reading import Deadline
from hpcdirect.monitoring.reading import Unanswered
from hpcdirect.monitoring.ways import Ways
from hpcdirect.sources.catalogue import Catalogue

#: Seconds for all charts of one request.
_PATIENCE = 8.0
#: Seconds for which an answer is good, and for which a failure is.
_FRESH, _FAILED = 10.0, 5.0
#: Numbers that are kept of all answers together.
_KEPT = 1_000_000
#: Bytes of what a server may answer to a query, and of an exporter's text.
_ANSWER, _PAGE = 4 * 2**20, 8 * 2**20
#: Seconds between two samples, unless the element says otherwise.
_INTERVAL = 15


@dataclasses.dataclass(frozen=True)
class Target:
    """An exporter on a node."""

    standing: Standing
    exporter: Exporter

    @property
    def path(self) -> str:
        """Where it is found below a cluster's id."""
        one = self.standing
        return f'{one.node}/{one.element}/{self.exporter.name}'


@dataclasses.dataclass(frozen=True)
class _Kept:
    """The answer to one query; *until* by the monotonic clock."""

    until: float
    at: float
    series: list[dict[str, Any]]
    reason: str

    @property
    def weight(self) -> int:
        return 1 + sum(len(one['y']) for one in self.series)


class Numbers:
    """Asks clusters; one for a process, used by many threads."""

    def __init__(self, database: Database, catalogue: Catalogue, ways: Ways
                 ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._ways = ways
        self._lock = threading.Lock()
        # What a customer's machine has said takes many times its length
        # while it is read: one at a time.
        self._reading = threading.Lock()
        self._kept: OrderedDict[Any, _Kept] = OrderedDict()
        self._weight = 0

    def close(self) -> None:
        """End all ways into clusters."""
        self._ways.close()

    # -- exporters --------------------------------------------------------

    def targets(self, cluster_id: str = '') -> list[Target]:
        """The exporters that elements name, of one cluster or of all."""
        names = [one.name for one in self._catalogue.elements()
                 if one.exporters]
        with self._database.read() as session:
            found = exporters.standing(session, names, cluster_id)
        known: dict[str, Element | None] = {}
        return [Target(one, exporter) for one in found
                for exporter in self._exporters(one, known)]

    def scraped(self, cluster_id: str, path: str, seconds: float) -> bytes:
        """What an exporter says.

        :param path: as Target.path.
        :raises NotFound: no element that is there names it.
        :raises Unanswered: it does not answer.
        """
        deadline = Deadline(seconds)
        target = next((one for one in self.targets(cluster_id)
                       if one.path == path), None)
        if target is None:
            raise NotFound(resource='Exporter', ident=path)
        return self._got('exporter', target, '/metrics', _PAGE, deadline)

    def _exporters(self, one: Standing, known: dict[str, Element | None]
                   ) -> Iterator[Exporter]:
        ref = f'{one.element}@{one.version}'
        if ref not in known:
            known[ref] = None
            with contextlib.suppress(NotFound, Unread):
                known[ref] = self._catalogue.element(ref)
        element = known[ref]
        for exporter in element.exporters if element else ():
            if one.role in exporter.roles:
                yield exporter

    def _got(self, kind: str, target: Target, path: str, most: int,
             deadline: Deadline) -> bytes:
        """What a target answers, counted as one of a kind."""
        one, outcome = target.standing, 'failed'
        try:
            with self._ways.connected(one.cluster_id, one.node,
                                      target.exporter.port, deadline) as line:
                found = reading.get(line, path, most, deadline)
            outcome = 'succeeded'
        finally:
            metrics.CLUSTER_REQUESTS.labels(kind, outcome).inc()
        return found

    # -- charts -----------------------------------------------------------

    def charts(self, cluster_id: str, asked: Asked) -> dict[str, Any]:
        """Charts of a cluster, each with its series or why it has none.

        :returns: x, seconds since 1970; step, seconds; at, when the oldest
            answer was given; and under charts, name -> series and reason.
        """
        server = next((one for one in self.targets(cluster_id) if (
            one.standing.element, one.exporter.name) == charts.SERVER), None)
        with self._database.read() as session:
            groups = exporters.nodes(session, cluster_id)
            given = exporters.inputs(session, server.standing) \
                if server else {}
        interval = _interval(given)
        frame = charts.frame(
            time.time() if asked.end is None else asked.end, asked.seconds,
            charts.capped(asked.points, _number(asked, groups)), interval)
        deadline = Deadline(_PATIENCE)
        found = {}
        for name in asked.names:
            question = _Question(cluster_id, charts.QUERIES[name], frame,
                                 interval, asked.node, asked.by_group)
            found[name] = self._answer(question, server, deadline)
        return {'x': frame.x, 'step': frame.step,
                'at': min((one.at for one in found.values()),
                          default=time.time()),
                'charts': {name: {'series': one.series, 'reason': one.reason}
                           for name, one in found.items()}}

    def _answer(self, question: _Question, server: Target | None,
                deadline: Deadline) -> _Kept:
        with self._lock:
            kept = self._kept.get(question)
        if kept is not None and time.monotonic() < kept.until:
            return kept
        at = time.time()
        try:
            series, reason = self._asked(question, server, deadline), ''
        except Unanswered as exc:
            series, reason = [], (
                f'Prometheus on this cluster gives no numbers: {exc}.')
        made = _Kept(time.monotonic() + (_FAILED if reason else _FRESH), at,
                     series, reason)
        self._keep(question, made)
        return made

    def _asked(self, question: _Question, server: Target | None,
               deadline: Deadline) -> list[dict[str, Any]]:
        if server is None:
            raise Unanswered('it is not there, or its node is not up')
        path = question.path(deadline.left)
        body = self._got('chart', server, path, _ANSWER, deadline)
        with self._reading:
            try:
                said = json.loads(body)
                result = said['data']['result']
            except (ValueError, RecursionError, TypeError, KeyError):
                raise Unanswered('what it answered is not what Prometheus '
                                 'answers') from None
            try:
                return charts.series(question.query, question.frame, result,
                                     question.by_group)
            except charts.Unusable as exc:
                raise Unanswered(str(exc)) from None

    def _keep(self, question: _Question, made: _Kept) -> None:
        with self._lock:
            old = self._kept.pop(question, None)
            self._weight += made.weight - (old.weight if old else 0)
            self._kept[question] = made
            while self._weight > _KEPT:
                _, oldest = self._kept.popitem(last=False)
                self._weight -= oldest.weight


@dataclasses.dataclass(frozen=True)
class _Question:
    """What is asked of one cluster's Prometheus."""

    cluster_id: str
    query: Query
    frame: charts.Frame
    interval: int
    node: str
    by_group: bool

    def path(self, seconds: float) -> str:
        """The path and query of its URL.

        :param seconds: after which the server may give it up.
        """
        return '/api/v1/query_range?' + urllib.parse.urlencode({
            'query': charts.promql(self.query, self.frame, self.interval,
                                   self.node, self.by_group),
            'start': self.frame.start, 'end': self.frame.end,
            'step': self.frame.step, 'timeout': f'{round(seconds * 1000)}ms'})


def _interval(given: Mapping[str, Any]) -> int:
    said = given.get('interval')
    return min(3600, max(1, said)) if type(said) is int else _INTERVAL


def _number(asked: Asked, groups: Mapping[str, int]) -> int:
    """How many series a query is likely to find."""
    if asked.by_group:
        return 3 * len(groups)
    return 1 if asked.node else sum(groups.values())
