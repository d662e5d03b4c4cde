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
"""Puts a wave that failed back: what is wanted of its nodes is what was.

The planner and all that follows it are those of any other change.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import logging
from typing import Any

from hpcdirect.conductor.situation import Situation
from hpcdirect.db import models
from hpcdirect.planning.elements import ElementOf
from hpcdirect.planning.plan import Observed
from hpcdirect.planning.plan import Plan
from hpcdirect.planning.plan import SeenLayer
from hpcdirect.planning.plan import plan
from hpcdirect.planning.wanted import LayerKey
from hpcdirect.planning.wanted import Wanted
from hpcdirect.planning.wanted import WantedElement
from hpcdirect.planning.wanted import WantedLayer
from hpcdirect.signing import Notes
from hpcdirect.wishes import Wish

LOG = logging.getLogger(__name__)

#: The reason of every step of such a plan.
REASON = 'put back as it was before'


def as_it_was(situation: Situation, element_of: ElementOf, notes: Notes
              ) -> tuple[Situation, Plan]:
    """The situation in which just that is wanted, and what it takes.

    :returns: with an empty plan when no node waits to be put back.
    :raises NotFound: an element is not in the catalogue any more.
    :raises Refused: what was is not recorded as a conductor wrote it.
    """
    nodes, kept = _alike(row for row in situation.recorded.nodes
                         if _of_this(row, situation.wish, notes)
                         and row.name in situation.wanted.members
                         and row.name in situation.observed.nodes)
    observed = _without_unknown(situation.observed, nodes)
    layers = {key: _as_seen(seen) for key, seen in observed.layers.items()
              if key[0] not in nodes}
    for row in nodes.values():
        layers |= {one.key: one for one in map(_wanted_of(row), _well(row))}
    wanted = Wanted(
        situation.wanted.members,
        tuple(sorted((_element(name, entry, layers, situation, element_of)
                      for name, entry in kept.items()),
                     key=lambda one: one.position)),
        layers, most_out=situation.wanted.most_out)
    steps = []
    for step in plan(wanted, observed):
        keys = tuple(key for key in step.layers if key[0] in nodes)
        if keys:
            steps.append(dataclasses.replace(
                step, layers=keys, reason=REASON,
                nodes=tuple(dict.fromkeys(key[0] for key in keys))))
    return dataclasses.replace(situation, wanted=wanted,
                               observed=observed), tuple(steps)


def _of_this(row: models.Node, wish: Wish, notes: Notes) -> bool:
    """Whether a node waits to be put back after this very change.

    What is left of another change stays as it is: it was given up, or was
    put back into the database.
    """
    if not row.before:
        return False
    was = notes.check_before(row.name, row.incarnation, row.before)
    if was != wish:
        LOG.warning('Cluster %s: node %s is not put back: what it was is '
                    'kept of another change.', row.cluster_id, row.name)
    return was == wish


def _well(row: models.Node) -> list[Mapping[str, Any]]:
    """What stood on a node, less what had never been applied well."""
    return [entry for entry in row.before or () if entry['digest']]


def _alike(rows: Iterable[models.Node]
           ) -> tuple[dict[str, models.Node], dict[str, Mapping[str, Any]]]:
    """Nodes that can be put back together, and their elements by name.

    Others, that had an element with other inputs, come when these are done.
    """
    nodes: dict[str, models.Node] = {}
    kept: dict[str, Mapping[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row.name):
        mine = {entry['element']: entry for entry in _well(row)}
        if all(_inputs(kept.get(name, entry)) == _inputs(entry)
               for name, entry in mine.items()):
            nodes[row.name] = row
            kept |= mine
    return nodes, kept


def _inputs(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return (entry['version'], entry['inputs'].get('variables'))


def _without_unknown(observed: Observed, nodes: Mapping[str, models.Node]
                     ) -> Observed:
    """Leaves out layers of which is not known how they were before."""
    unknown = {(row.name, entry['element'], entry['role'])
               for row in nodes.values() for entry in row.before or ()
               if not entry['digest']}
    return dataclasses.replace(observed, layers={
        key: seen for key, seen in observed.layers.items()
        if key not in unknown})


def _as_seen(seen: SeenLayer) -> WantedLayer:
    return WantedLayer(seen.node, seen.incarnation, seen.element, seen.role,
                       seen.position, '', seen.digest, seen.base)


def _wanted_of(row: models.Node) -> Any:
    def made(entry: Mapping[str, Any]) -> WantedLayer:
        return WantedLayer(
            row.name, row.incarnation, entry['element'], entry['role'],
            entry['position'], entry['version'], entry['digest'],
            entry['inputs'].get('base', ''))
    return made


def _element(name: str, entry: Mapping[str, Any],
             layers: Mapping[LayerKey, WantedLayer], situation: Situation,
             element_of: ElementOf) -> WantedElement:
    now = situation.wanted.element(name)
    element = now.element if now and now.element.version == entry['version'] \
        else element_of(f'{name}@{entry["version"]}')
    return WantedElement(
        element, entry['position'],
        {role.name: tuple(
            member for member in situation.wanted.members.values()
            if (member.name, name, role.name) in layers)
            for role in element.roles},
        entry['inputs'].get('variables', {}), {})
