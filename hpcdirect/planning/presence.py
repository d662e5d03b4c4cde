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

"""On how many nodes people's accounts are as they are wanted.

What a node has is told by the layers of the elements that make accounts: by
what they were applied with. Where such a layer has just the inputs that are
wanted, everybody is there. Where it has not, each account is looked for in
what it has: somebody else's may be what differs.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses

from hpcdirect.blueprints.model import Blueprint
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import entries
from hpcdirect.planning import accounts
from hpcdirect.planning.wanted import Wanted
from hpcdirect.planning.wanted import WantedLayer
from hpcdirect.states import LayerState

#: Element, role and digest: layers alike in these have the same inputs.
Kind = tuple[str, str, str]

_AS_WANTED: Kind = ('', '', 'as wanted')
_CHANGING: Kind = ('', '', 'changing')
_OTHERWISE: Kind = ('', '', 'otherwise')


@dataclasses.dataclass(frozen=True)
class Seen:
    """A layer of an element that makes accounts, as it is recorded.

    :param sure: the run that touched it last went well on all its nodes, so
        that its inputs are what is there.
    """

    id: str
    node: str
    incarnation: int
    element: str
    role: str
    state: str
    digest: str
    sure: bool

    @property
    def kind(self) -> Kind:
        """What its inputs are the same for."""
        return self.element, self.role, self.digest


@dataclasses.dataclass(frozen=True)
class Presence:
    """On how many nodes an account is.

    :param wanted: nodes on which it is to be as it is wanted, gone too.
    :param done: those on which it is.
    :param changing: others of them, on which accounts are being changed.
    """

    wanted: int = 0
    done: int = 0
    changing: int = 0


def samples(layers: Iterable[Seen]) -> dict[Kind, str]:
    """One layer of each kind whose inputs are what is there: its id."""
    return {one.kind: one.id for one in layers
            if one.sure and one.state == LayerState.APPLIED}


class Presences:
    """Tells of each account on how many nodes it is.

    :param blueprint: with just the elements the cluster has.
    :param told: kind -> the variables it was applied with; see
        :func:`samples`.
    """

    def __init__(self, blueprint: Blueprint, wanted: Wanted,
                 layers: Iterable[Seen],
                 told: Mapping[Kind, Object]) -> None:
        makers = {use.element.name: use.element.accounts
                  for use in accounts.makers(blueprint)}
        self._wanted = {
            one.name: _rows((one.variables or {}).get(makers[one.name]))
            for one in wanted.elements if one.name in makers}
        self._there = {kind: _rows(variables.get(makers[kind[0]]))
                       for kind, variables in told.items()}
        there = {(one.node, one.element, one.role): one for one in layers}
        nodes: dict[str, set[Kind]] = {}
        for key, layer in wanted.layers.items():
            if layer.element in makers:
                nodes.setdefault(layer.node, set()).add(
                    self._stands(layer, there.get(key)))
        # Most nodes are alike.
        self._nodes = collections.Counter(map(frozenset, nodes.values()))

    def of(self, name: str) -> Presence:
        """On how many nodes an account is."""
        done = changing = 0
        for kinds, count in self._nodes.items():
            if all(self._has(kind, name) for kind in kinds):
                done += count
            elif _CHANGING in kinds:
                changing += count
        return Presence(self._nodes.total(), done, changing)

    def _stands(self, layer: WantedLayer, seen: Seen | None) -> Kind:
        if seen is None or seen.incarnation != layer.incarnation:
            return _OTHERWISE
        if seen.state == LayerState.APPLYING:
            return _CHANGING
        if seen.state != LayerState.APPLIED:
            return _OTHERWISE
        if layer.digest and seen.digest == layer.digest:
            return _AS_WANTED
        return seen.kind if seen.kind in self._there else _OTHERWISE

    def _has(self, kind: Kind, name: str) -> bool:
        """Whether an account is as it is wanted in layers of a kind."""
        if kind not in self._there:
            return kind == _AS_WANTED
        return self._there[kind].get(name) == self._wanted[kind[0]].get(name)


def _rows(value: JSON) -> dict[str, JSON]:
    """Accounts as an element is told of them, by name."""
    return {str(row['name']): row for row in entries(value)
            if isinstance(row, Mapping) and 'name' in row}
