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

"""Pictures of what the API says, as SVG: no script, no style, no colour.

Pure functions. The style sheet colours by class, and a script that polls sets
classes by ``data-node``; state is told by word and shape as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import math
from typing import Any

from django.utils.safestring import SafeString
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from hpcdirect.dashboard.text import exact

#: Width of every picture in its own units; the page scales it.
_WIDTH = 1000
#: Nodes of a group beyond which a block has no layers, and then no name.
_LAYERED, _NAMED = 60, 200
#: Height of a group's title, of a name, of a layer, and what is between.
_TITLE, _NAME, _LAYER, _GAP = 30, 22, 7, 8
#: States in which a layer is as it is to be.
_DONE = ('applied', 'verified')


def nodes(topology: Mapping[str, Any]) -> SafeString:
    """All nodes of a cluster, group by group, with what stands on them.

    :param topology: as the API shows it.
    :returns: an SVG element. A node is one element that the keyboard reaches
        and that a screen reader names: "compute-2, up, 7 of 7 layers".
    """
    parts, height = [], 0
    for place, group in enumerate(topology['groups']):
        members = [number for number, of in enumerate(
            topology['nodes']['group']) if of == place]
        if not members:
            continue
        title = group['label'] or group['name']
        parts.append(_text(0, height + 20, 'hpc-group', _(
            '%(group)s: %(ready)d of %(count)d ready') % {
                'group': title, 'ready': group['ready'],
                'count': group['count']}))
        height += _TITLE
        drawn, taken = _blocks(topology, members, height)
        parts.append(drawn)
        height += taken
    return mark_safe(  # noqa: S308
        f'<svg class="hpc-topology" role="group" viewBox="0 0 {_WIDTH} '
        f'{max(height, 1)}" aria-label="{exact(topology["name"])}">'
        + ''.join(parts) + '</svg>')


def topology(cluster: Mapping[str, Any], progress: Mapping[str, Any]
             ) -> dict[str, Any]:
    """What :func:`nodes` draws, of a cluster and of how far it is.

    :param progress: a deployment's first look, which has all nodes.
    """
    seen = {node['name']: node for node in progress.get('nodes', ())}
    places: dict[str, int] = {}
    layers: dict[str, int] = {}
    for place, group in enumerate(cluster['node_groups']):
        places |= dict.fromkeys(group['slots'], place)
    for node in seen.values():
        for element in node['layers']:
            layers.setdefault(element, len(layers))
    names = list(dict.fromkeys([*places, *seen]))
    stacks = [{'layers': [layers[element] for element in of],
               'states': list(of.values())} for of in (
                   seen.get(name, {}).get('layers', {}) for name in names)]
    return {
        'name': cluster['name'],
        'groups': [{'label': '', **group} for group in
                   cluster['node_groups']],
        'layers': [{'element': element} for element in layers],
        'stacks': stacks,
        'nodes': {
            'name': names, 'stack': list(range(len(names))),
            'group': [places.get(name, 0) for name in names],
            'status': [seen.get(name, {}).get('status', '')
                       for name in names],
            'wanted': [name in places for name in names],
            'fault': [''] * len(names)}}


def machines(topology: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The same as rows of a table: what the API says of each node.

    :returns: with the name of its group, and how many of all its layers
        stand (``done``, ``all``).
    """
    columns = topology['nodes']
    for values in zip(*columns.values(), strict=True):
        node = dict(zip(columns, values, strict=True))
        states = topology['stacks'][node['stack']]['states']
        yield {**node, 'group': topology['groups'][node['group']]['name'],
               'done': sum(state in _DONE for state in states),
               'all': len(states)}


def classes(nodes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What a script sets on a picture: node -> its class, and its layers'."""
    return {node['name']: {
        'status': str(node['status'] or 'absent').lower(),
        'layers': node['layers']} for node in nodes}


def _blocks(topology: Mapping[str, Any], members: list[int], top: int
            ) -> tuple[str, int]:
    """The nodes of a group in rows, and how high these are together."""
    number = len(members)
    across = 50 if number > _NAMED else min(20, max(6, math.ceil(
        math.sqrt(2 * number))))
    step = _WIDTH / across
    stacks = topology['stacks']
    deepest = max(len(stacks[topology['nodes']['stack'][one]]['layers'])
                  for one in members) if number <= _LAYERED else 0
    tall = round(step - _GAP / 2) if number > _NAMED else (
        _NAME + _LAYER * deepest + _GAP)
    parts = []
    for place, one in enumerate(members):
        row, column = divmod(place, across)
        parts.append(''.join(_node(topology, one, _Box(
            round(column * step), top + row * (tall + _GAP),
            round(step - _GAP / 2), tall), number)))
    return ''.join(parts), math.ceil(number / across) * (tall + _GAP) + _GAP


@dataclasses.dataclass(frozen=True)
class _Box:
    """Where something is drawn."""

    left: int
    top: int
    width: int
    height: int


def _node(topology: Mapping[str, Any], one: int, box: _Box, number: int
          ) -> Iterator[str]:
    said = {name: column[one] for name, column in topology['nodes'].items()}
    stack = topology['stacks'][said['stack']]
    done = sum(state in _DONE for state in stack['states'])
    status = str(said['status'] or 'absent').lower()
    label = _('%(node)s, %(status)s, %(done)d of %(all)d layers') % {
        'node': said['name'], 'status': _status_in_words(status),
        'done': done, 'all': len(stack['states'])}
    if said['fault']:
        label += f': {said["fault"]}'
    going = '' if said['wanted'] else ' hpc-going'
    # The script then knows that each layer is to be there.
    layered = 'data-layered="" ' if number <= _LAYERED else ''
    yield (f'<g class="hpc-node hpc-{exact(status)}{going}" tabindex="0" '
           f'role="img" data-node="{exact(said["name"])}" '
           f'{layered}'
           f'aria-label="{exact(label)}"><title>{exact(label)}</title>'
           f'<rect x="{box.left}" y="{box.top}" width="{box.width}" '
           f'height="{box.height}" rx="3"/>')
    if number <= _NAMED:
        yield _text(box.left + 5, box.top + 15, 'hpc-name', said['name'],
                    box.width - 10)
    if number <= _LAYERED:
        for height, (layer, state) in enumerate(zip(
                stack['layers'], stack['states'], strict=True), 1):
            # The lowest layer is the lowest line.
            line = box.top + box.height - 2 - height * _LAYER
            yield (f'<rect class="hpc-layer hpc-{exact(state)}" '
                   f'data-element="'
                   f'{exact(topology["layers"][layer]["element"])}" '
                   f'x="{box.left + 4}" y="{line}" '
                   f'width="{box.width - 8}" height="{_LAYER - 2}"/>')
    yield '</g>'


def _text(left: int, top: int, kind: str, words: str, wide: int = 0) -> str:
    """A line of text; of one that is too long the beginning."""
    # A letter is about 7 units wide at the style sheet's size.
    most = wide // 7 if wide else len(words)
    shown = words if len(words) <= most else f'{words[:most - 1]}…'
    return (f'<text class="{kind}" x="{left}" y="{top}">{exact(shown)}'
            '</text>')


def _status_in_words(status: str) -> str:
    known = {'absent': _('not there yet'), 'building': _('being made'),
             'up': _('up'), 'drained': _('closed to new work'),
             'failed': _('failed'), 'leaving': _('going')}
    return str(known.get(status, status))


def bar(fraction: float | None, label: str) -> SafeString:
    """How far something is, as HTML's own element for it.

    :param fraction: 0 to 1; None when nobody knows.
    """
    value = '' if fraction is None else (
        f' value="{min(1.0, max(0.0, fraction)):.3f}"')
    return mark_safe(  # noqa: S308
        f'<progress class="hpc-bar" max="1"{value} '
        f'aria-label="{exact(label)}"></progress>')
