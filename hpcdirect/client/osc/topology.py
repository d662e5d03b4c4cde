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

"""``openstack hpc cluster topology``"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import textwrap
from typing import Any
from typing import ClassVar

from hpcdirect.client.osc import base

_WIDE = 79
#: How a layer is to stand; what stands otherwise is told.
_WELL = 'verified'


class ShowTopology(base.Drawing):
    """Draw a cluster: networks, volumes, layers, and nodes with their layers

    Nodes that are alike stand in one line. As JSON or YAML (-f) it is as the
    API tells it: nodes in columns, what stands on them once for all that are
    alike.
    """

    arguments: ClassVar = base.CLUSTER

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        found = self.api.topology(parsed_args.cluster)
        return tuple(found), tuple(found.values())

    def drawn(self, found: Mapping[str, Any]) -> Iterator[str]:
        """See :func:`draw`."""
        return draw(found)


def draw(found: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a drawing, none wider than a terminal of 80 columns."""
    yield from _line('', f'{found["name"]}  {found["blueprint"]} '
                     f'{found["blueprint_version"]}  {found["status"]}  '
                     f'generation {found["generation"]}')
    for title, lines in (
            ('Networks', _networks(found['networks'])),
            ('Volumes', _volumes(found['volumes'])),
            ('Layers, the lowest first', map(_layer, found['layers']))):
        yield from ('', title)
        for line in lines or ('unknown',):
            yield from _line('  ', line)
    nodes = _nodes(found)
    for place, group in enumerate(found['groups']):
        yield ''
        yield from _line('', ' '.join(filter(None, (
            group['name'], f'{group["ready"]}/{group["count"]} up',
            group['label'] and f'({group["label"]})',
            'login' if group['login'] else ''))))
        for line in nodes.get(place, ()):
            yield from _line('  ', line)


def _networks(found: Iterable[Mapping[str, Any]] | None) -> list[str]:
    if found is None:
        return []
    return [': '.join((' '.join((
        one['name'], *one['cidrs'], *([] if one['own'] else ['(outside)']))),
        ', '.join(one['groups']))) for one in found] or ['none']


def _volumes(found: Iterable[Mapping[str, Any]] | None) -> list[str]:
    if found is None:
        return []
    said = {False: ' (not from this backend)', None: ' (backend unknown)'}
    return [f'{one["name"]} at {one["mount"]}: {", ".join(one["groups"])}'
            + said.get(one['provided'], '') for one in found] or ['none']


def _layer(one: Mapping[str, Any]) -> str:
    """``slurm 1.0.0 (controller): head; on munge, users``"""
    role = '' if one['role'] == 'node' else f' ({one["role"]})'
    where = ', '.join(one['groups']) if one['wanted'] else (
        'unknown' if one['wanted'] is None else 'to go')
    below = one['stands_on']
    return (f'{one["element"]} {one["version"]}{role}: {where}'
            + ('' if not below else f'; on {", ".join(below)}'))


def _nodes(found: Mapping[str, Any]) -> dict[int, list[str]]:
    """Place of a group -> a line for all of its nodes that are alike."""
    alike: dict[tuple[Any, ...], list[str]] = {}
    for one in zip(*(found['nodes'][name] for name in (
            'name', 'group', 'status', 'wanted', 'stack', 'fault')),
            strict=True):
        alike.setdefault(one[1:], []).append(one[0])
    lines: dict[int, list[str]] = {}
    for (group, status, wanted, stack, fault), names in alike.items():
        lines.setdefault(group, []).append('  '.join(filter(None, (
            _ranges(names), status or 'not there yet',
            '' if wanted else 'to go', _stack(found, stack), fault))))
    return lines


def _stack(found: Mapping[str, Any], place: int) -> str:
    """``7 layers``, and those that do not stand well."""
    stack = found['stacks'][place]
    states = Counter(stack['states'])
    odd = [f'{found["layers"][layer]["element"]} {state}' for layer, state
           in zip(stack['layers'], stack['states'], strict=True)
           if state != _WELL]
    total = len(stack['layers'])
    what = f'{total} layer{"" if total == 1 else "s"}'
    return f'{states[_WELL]} of {what}; {", ".join(odd)}' if odd else what


def _ranges(names: Iterable[str]) -> str:
    """``compute-[0-6,8]``, as Slurm writes it."""
    numbers: dict[str, list[int]] = {}
    for name in names:
        stem, _, number = name.rpartition('-')
        numbers.setdefault(stem, []).append(int(number))
    return ','.join(
        f'{stem}-{those[0]}' if len(those) == 1 else
        f'{stem}-[{",".join(_runs(sorted(those)))}]'
        for stem, those in numbers.items())


def _runs(numbers: list[int]) -> Iterator[str]:
    first = last = numbers[0]
    for number in [*numbers[1:], -1]:
        if number != last + 1:
            yield str(first) if first == last else f'{first}-{last}'
            first = number
        last = number


def _line(margin: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDE, initial_indent=margin,
                         subsequent_indent=f'{margin}    ',
                         break_on_hyphens=False)
