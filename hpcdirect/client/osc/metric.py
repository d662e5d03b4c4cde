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


"""``openstack hpc metric ...``"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

from osc_lib.command import command

from hpcdirect.client.osc import base
from hpcdirect.client.osc import moment

_HEIGHTS = '▁▂▃▄▅▆▇█'
#: Characters that a line of heights has.
_WIDE = 40


class ListMetric(base.Base, command.Lister):
    """List what can be charted of a cluster, and what some of it lacks"""

    arguments: ClassVar = base.OF_CLUSTER

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request; the cluster itself is not asked."""
        found = self.api.metrics(parsed_args.cluster)['metrics']
        return ('Name', 'Title', 'Unit', 'Needs'), [
            (one['name'], one['title'], one['unit'], base.cell(one['needs']))
            for one in found]


class ShowMetric(base.Drawing):
    """Draw numbers of a cluster, as its own Prometheus has them

    A line for each node: how it went, the last value, the lowest and the
    highest. As JSON or YAML (-f) it is as the API tells it: moments in x,
    values of each series in y.
    """

    arguments: ClassVar = base.OF_CLUSTER

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """What, of whom, and which stretch of time."""
        parser = super().get_parser(prog_name)
        parser.add_argument('names', metavar='<metric>', nargs='+',
                            help='As "openstack hpc metric list" names them')
        parser.add_argument('--range', metavar='<time>', type=_seconds,
                            default=3600, help='How long a stretch: 90m, '
                            '12h, 7d; default 1h')
        parser.add_argument('--end', metavar='<time>', help='Where it ends; '
                            f'default now: {moment.FORMS}')
        parser.add_argument('--points', metavar='<number>', type=int,
                            help='Values of a series at most')
        which = parser.add_mutually_exclusive_group()
        which.add_argument('--node', metavar='<node>',
                           help='Of this node only')
        which.add_argument('--by-group', action='store_true',
                           help='Average, lowest and highest of each node '
                                'group')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        found = self.api.metrics(
            parsed_args.cluster, names=','.join(parsed_args.names),
            seconds=parsed_args.range, points=parsed_args.points,
            end=parsed_args.end and moment.parse(parsed_args.end),
            node=parsed_args.node,
            by='group' if parsed_args.by_group else None)
        found['metrics'] = [one for one in found['metrics']
                            if one['name'] in parsed_args.names]
        return tuple(found), tuple(found.values())

    def drawn(self, found: Mapping[str, Any]) -> Iterator[str]:
        """See :func:`draw`."""
        return draw(found)


def draw(found: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a drawing."""
    for one in found['metrics']:
        yield f'{one["title"]} ({one["unit"]})'
        if not one['series']:
            yield f'  {one["reason"] or "no numbers in this time"}'
        names = [' '.join(filter(None, (each['node'], each['name'])))
                 for each in one['series']]
        width = max(map(len, names), default=0)
        most = max((value for each in one['series'] for value in each['y']
                    if value is not None), default=0)
        for name, each in zip(names, one['series'], strict=True):
            yield f'  {name:{width}}  {_line(each["y"], most)}'
    for one in found.get('deployments', ()):
        who = f' by {one["user_name"]}' if one['user_name'] else ''
        until = f' to {one["finished_at"][:19]}Z' if one['finished_at'] else ''
        yield (f'{one["operation"]}{who}, {one["status"]}: '
               f'{one["created_at"][:19]}Z{until}')
    if found['at']:
        yield f'asked at {found["at"][:19]}Z, a value every {found["step"]} s'


def _line(values: Sequence[float | None], most: float) -> str:
    """How it went, now, from, to; all in one scale."""
    there = [value for value in values if value is not None]
    if not there:
        return 'no numbers in this time'
    drawn = ''.join(_height(part, most) for part in _parts(values))
    return (f'{drawn}  {there[-1]:.4g}  ({min(there):.4g} to '
            f'{max(there):.4g})')


def _parts(values: Sequence[float | None]
           ) -> Iterator[Sequence[float | None]]:
    """The values in few parts that follow each other."""
    count = min(_WIDE, len(values))
    for place in range(count):
        yield values[place * len(values) // count:
                     (place + 1) * len(values) // count]


def _height(part: Sequence[float | None], most: float) -> str:
    there = [value for value in part if value is not None]
    if not there:
        return ' '
    share = max(there) / most if most > 0 else 0.0
    return _HEIGHTS[max(0, min(len(_HEIGHTS) - 1,
                               int(share * len(_HEIGHTS))))]


def _seconds(text: str) -> int:
    found = moment.length(text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f'{text} is no stretch of time; write 90m, 12h, 7d or 2w')
    return int(found.total_seconds())
