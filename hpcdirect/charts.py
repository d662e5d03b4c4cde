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


"""Which numbers of a cluster can be charted, and what becomes of them.

Nobody sends PromQL: there is a closed table of queries. What Prometheus
answers comes from a machine that belongs to a customer, and is believed in
nothing: not that it is what was asked for, nor that it is short.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import math
import re
import string
from typing import Any
import urllib.parse

#: The element, and its exporter, that answers queries.
SERVER = ('prometheus', 'prometheus')
#: Seconds of the longest stretch, and of the shortest one.
LONGEST, SHORTEST = 31 * 86400, 60
#: Points of a series, at most.
POINTS = 1000
#: Numbers in the answer to one query, at most.
MOST = 50_000
#: Seconds for which now is the same moment, at least.
_GRAIN = 10
#: Samples that a rate is made of, at least.
_SAMPLES = 4
#: Significant digits of a value.
_DIGITS = 6

_NODE = re.compile(r'[a-z][a-z0-9-]{0,62}-[0-9]{1,9}')
_GROUP = re.compile(r'[a-z][a-z0-9-]{0,62}')
_NAME = re.compile(r'[A-Za-z0-9_+*~ -]{1,40}')


class Unusable(ValueError):
    """What Prometheus answered makes no chart; a clause says why."""


@dataclasses.dataclass(frozen=True)
class Query:
    """Something that can be charted.

    :param element: whose exporter gives the numbers.
    :param expression: PromQL, where ``$node`` narrows it to a node,
        ``$window`` is a stretch that holds some samples. What it finds has
        the label ``instance``, a node's name; or the label *label*.
    :param label: tells its series apart when they are not of nodes.
    """

    name: str
    title: str
    unit: str
    element: str
    expression: str
    label: str = ''


def _traffic(way: str) -> str:
    return (f'sum by (instance) (rate(node_network_{way}_bytes_total'
            '{job="node",device!="lo"$node}[$window]))')


def _disk(way: str) -> str:
    return (f'sum by (instance) (rate(node_disk_{way}_bytes_total'
            '{job="node"$node}[$window]))')


def _slurm(metric: str) -> str:
    return f'sum by (state) (avg_over_time({metric}[$window]))'


QUERIES = {one.name: one for one in (
    Query('up', 'Nodes that answer', 'share', 'monitoring',
          'avg by (instance) (avg_over_time('
          'up{job="node"$node}[$window]))'),
    Query('cpu', 'CPU in use', 'percent', 'monitoring',
          # Whole in a stretch that the node was there for a part of, too.
          '100 * (1 - sum by (instance) (rate(node_cpu_seconds_total'
          '{job="node",mode="idle"$node}[$window])) '
          '/ sum by (instance) (rate(node_cpu_seconds_total'
          '{job="node"$node}[$window])))'),
    Query('load', 'Load', 'processes', 'monitoring',
          'max by (instance) (avg_over_time('
          'node_load1{job="node"$node}[$window]))'),
    Query('memory', 'Memory in use', 'percent', 'monitoring',
          '100 * (1 - max by (instance) (avg_over_time('
          'node_memory_MemAvailable_bytes{job="node"$node}[$window])) '
          '/ max by (instance) (avg_over_time('
          'node_memory_MemTotal_bytes{job="node"$node}[$window])))'),
    Query('filesystem', 'Fullest file system', 'percent', 'monitoring',
          '100 * max by (instance) (1 - '
          'node_filesystem_avail_bytes{job="node",fstype!="tmpfs"$node} '
          '/ node_filesystem_size_bytes{job="node",fstype!="tmpfs"$node})'),
    Query('disk_read', 'Read from disks', 'bytes/s', 'monitoring',
          _disk('read')),
    Query('disk_written', 'Written to disks', 'bytes/s', 'monitoring',
          _disk('written')),
    Query('network_received', 'Received from networks', 'bytes/s',
          'monitoring', _traffic('receive')),
    Query('network_sent', 'Sent to networks', 'bytes/s', 'monitoring',
          _traffic('transmit')),
    Query('slurm_jobs', 'Jobs by state', 'jobs', 'slurm-exporter',
          _slurm('slurm_jobs'), 'state'),
    Query('slurm_nodes', 'Nodes by state', 'nodes', 'slurm-exporter',
          _slurm('slurm_nodes'), 'state'),
    Query('slurm_cpus', 'Cores by state', 'cores', 'slurm-exporter',
          _slurm('slurm_cpus'), 'state'),
)}

#: How the nodes of a group become three series.
_BAND = {'average': 'avg', 'lowest': 'min', 'highest': 'max'}


@dataclasses.dataclass(frozen=True)
class Asked:
    """Which charts somebody wants.

    :param names: of QUERIES.
    :param end: the last moment, seconds since 1970; None for now.
    :param seconds: how long before it they begin.
    :param points: of a series, at most.
    :param node: this one only; '' for all.
    :param by_group: node groups in the place of nodes.
    """

    names: tuple[str, ...]
    seconds: int
    points: int
    end: float | None = None
    node: str = ''
    by_group: bool = False

    def query(self) -> str:
        """As the query of a URL."""
        return urllib.parse.urlencode({
            name: value for name, value in dataclasses.asdict(self).items()
            if value is not None} | {'names': ','.join(self.names)})

    @classmethod
    def read(cls, text: str) -> Asked:
        """What query() made.

        :raises ValueError: it did not make this.
        """
        said = {'names': '', 'seconds': '', 'points': '', **dict(
            urllib.parse.parse_qsl(text, strict_parsing=True))}
        asked = cls(tuple(said['names'].split(',')), int(said['seconds']),
                    int(said['points']), float(said['end'])
                    if 'end' in said else None, said.get('node', ''),
                    said.get('by_group') == 'True')
        if not (set(asked.names) <= set(QUERIES)
                and 1 <= asked.points <= POINTS
                and SHORTEST <= asked.seconds <= LONGEST
                and (asked.end is None or 0 <= asked.end < 1e11)):
            raise ValueError('out of bounds')
        return asked


@dataclasses.dataclass(frozen=True)
class Frame:
    """The points in time of a chart: *count* of them, *step* apart.

    :param start: the first one, seconds since 1970.
    """

    start: int
    step: int
    count: int

    @property
    def x(self) -> list[int]:
        """All of them."""
        return [self.start + place * self.step for place in range(self.count)]

    @property
    def end(self) -> int:
        """The last one."""
        return self.start + (self.count - 1) * self.step


def frame(end: float, seconds: int, points: int, interval: int = 15
          ) -> Frame:
    """The frame of the last *seconds* before *end*.

    It ends at the same moment for some seconds, so that those who look at
    the same stretch then look at the same points.

    :param points: at most so many, and at least one.
    :param interval: seconds between two samples; a step has no fewer.
    """
    step = max(interval, math.ceil(seconds / max(1, points - 1)))
    count = max(1, min(points, seconds // step + 1))
    grain = max(interval, _GRAIN)
    last = int(end // grain) * grain
    return Frame(last - (count - 1) * step, step, count)


def promql(query: Query, frame: Frame, interval: int, node: str = '',
           by_group: bool = False) -> str:
    """What Prometheus is asked.

    :param interval: seconds between two of its samples.
    :param node: this one only.
    :param by_group: average, lowest and highest of each node group in the
        place of nodes.
    """
    if node and not _NODE.fullmatch(node):
        raise ValueError(f'{node!r} is no node.')
    text = string.Template(query.expression).substitute(
        node=f',instance="{node}"' if node else '',
        window=f'{max(frame.step, _SAMPLES * interval)}s')
    if query.label or not by_group:
        return text
    grouped = f'label_replace({text},"group","$1","instance","(.+)-[0-9]+")'
    return ' or '.join(
        f'label_replace({function} by (group) ({grouped}),"band","{name}",'
        '"","")' for name, function in _BAND.items())


def series(query: Query, frame: Frame, result: Any, by_group: bool = False
           ) -> list[dict[str, Any]]:
    """What Prometheus answered to promql(), as columns along the frame.

    What is not of this frame, nor of a node, is left out, and so is what
    there is too much of: series beyond the number that was planned for.

    :param result: what stands under ``data.result`` of its answer.
    :returns: name, node and y of each; null where there is no number.
    :raises Unusable: it is not such an answer.
    """
    if not isinstance(result, list):
        raise Unusable('it gave no list of series')
    found: dict[tuple[str, str], list[float | None]] = {}
    for one in result:
        labels = one.get('metric') if isinstance(one, dict) else None
        values = one.get('values') if isinstance(one, dict) else None
        if not isinstance(labels, dict) or not isinstance(values, list):
            raise Unusable('it gave something that is not a series')
        key = _key(query, labels, by_group)
        if key is None or key in found:
            continue
        if (len(found) + 1) * frame.count > MOST:
            break
        found[key] = _column(frame, values)
    return [{'name': name, 'node': node, 'y': found[node, name]}
            for node, name in sorted(found, key=_ordered)]


def capped(points: int, number: int) -> int:
    """Points of a chart with so many series that MOST is not passed."""
    return max(2, min(points, MOST // max(1, number)))


def _key(query: Query, labels: Mapping[Any, Any], by_group: bool
         ) -> tuple[str, str] | None:
    """Node (or group) and name of a series; None: it is not one of ours."""
    if query.label:
        return ('', labels[query.label]) if _is(
            _NAME, labels.get(query.label)) else None
    if by_group:
        return (labels['group'], labels['band']) if _is(
            _GROUP, labels.get('group')) and labels.get('band') in tuple(
                _BAND) else None
    return (labels['instance'], '') if _is(
        _NODE, labels.get('instance')) else None


def _is(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _ordered(key: tuple[str, str]) -> tuple[str, int, str]:
    """compute-2 comes before compute-10."""
    stem, _, number = key[0].rpartition('-')
    return (stem, int(number), key[1]) if number.isdecimal() else (
        key[0], -1, key[1])


def _column(frame: Frame, values: Iterable[Any]) -> list[float | None]:
    column: list[float | None] = [None] * frame.count
    for at, value in _samples(values):
        place = round((at - frame.start) / frame.step)
        if 0 <= place < frame.count and abs(
                at - frame.start - place * frame.step) < 1:
            column[place] = value
    return column


def _samples(values: Iterable[Any]) -> Iterator[tuple[float, float]]:
    """Times and values that are finite numbers; others are left out."""
    for one in values:
        if not isinstance(one, list) or len(one) != 2:
            raise Unusable('it gave something that is not a sample')
        at, text = one
        if isinstance(at, bool) or not isinstance(at, int | float):
            raise Unusable('it gave something that is not a time')
        try:
            value, moment = float(text), float(at)
        except (TypeError, ValueError, OverflowError):
            raise Unusable('it gave a value that is not a number') from None
        if math.isfinite(value) and math.isfinite(moment):
            yield moment, float(f'{value:.{_DIGITS}g}')
