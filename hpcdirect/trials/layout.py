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

"""Which elements a trial puts on which nodes: pure, without a node."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import pathlib
from typing import Any

from hpcdirect.blueprints import parameters
from hpcdirect.blueprints import wording
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Element
from hpcdirect.blueprints.model import ElementUse
from hpcdirect.blueprints.model import Infrastructure
from hpcdirect.blueprints.model import NodeGroup
from hpcdirect.blueprints.model import VolumeUse
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid

#: The node groups of every trial. What there is one of is on the head.
HEAD, COMPUTE = 'head', 'compute'
GROUPS = (HEAD, COMPUTE)

Find = Callable[[str], Element]


@dataclasses.dataclass(frozen=True)
class Wish:
    """What somebody wants to be tried.

    :param elements: those whose reversal is judged, together.
    :param below: names of what they are to stand on, besides what they
        require; what their own files say, when empty.
    :param parameters: element -> its parameters; over those of its file.
    :param roles: element -> role -> groups; over those of its file.
    """

    elements: tuple[Element, ...]
    below: tuple[str, ...] = ()
    parameters: Mapping[str, Mapping[str, Any]] = dataclasses.field(
        default_factory=dict)
    roles: Mapping[str, Mapping[str, tuple[str, ...]]] = dataclasses.field(
        default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Layout:
    """What is put on, and what of it is judged.

    :param uses: all elements, in the order they are applied.
    :param judged: names of those whose reversal is judged: the last ones.
    :param given: element -> the parameters it was given.
    """

    uses: tuple[ElementUse, ...]
    judged: tuple[str, ...]
    given: Mapping[str, Mapping[str, Any]]

    @property
    def below(self) -> tuple[Element, ...]:
        """What those stand on."""
        return tuple(use.element for use in self.uses
                     if use.element.name not in self.judged)

    @property
    def data(self) -> tuple[str, ...]:
        """Paths that survive a revert of any of them."""
        return tuple(dict.fromkeys(
            path for use in self.uses for path in use.element.data))

    @property
    def state(self) -> tuple[str, ...]:
        """Paths that those below write whatever stands on them."""
        return tuple(dict.fromkeys(
            path for one in self.below for path in one.trial.state))

    @property
    def volumes(self) -> dict[str, VolumeUse]:
        """What all nodes share."""
        return {name: VolumeUse(name, mount, GROUPS) for use in self.uses
                for name, mount in use.element.trial.volumes.items()}

    def blueprint(self, compute: int, volumes: Iterable[VolumeUse]
                  ) -> Blueprint:
        """The same, as a deployment would have it.

        :param compute: how many compute nodes there are.
        """
        return Blueprint(
            name='trial', version='1', label='Trial', description='Trial',
            folder=pathlib.Path(), digest='',
            infrastructure={'local': Infrastructure()},
            parameters={'type': 'object', 'properties': {},
                        'additionalProperties': False},
            node_groups=(NodeGroup(HEAD), NodeGroup(COMPUTE, count=compute)),
            volumes=tuple(volumes), elements=self.uses, login=HEAD)


def plan(wish: Wish, find: Find) -> Layout:
    """Put in order what a wish takes.

    :raises NotFound: a required element is not there.
    :raises BlueprintInvalid: one of those is written wrongly.
    :raises Invalid: with everything that is wrong with the wish.
    """
    judged = {one.name: one for one in wish.elements}
    below = wish.below or tuple(dict.fromkeys(
        name for one in wish.elements for name in one.trial.elements))
    order: dict[str, Element] = {}
    for name in below:
        _add(order, judged.get(name) or find(name), judged, find, ())
    for one in wish.elements:
        _add(order, one, judged, find, ())
    first = [one for one in order.values() if one.name not in judged]
    uses: list[ElementUse] = []
    findings: list[Finding] = []
    for one in (*first, *wish.elements):
        given = {**one.trial.parameters, **wish.parameters.get(one.name, {})}
        findings += _wrong(one, given, wish, order)
        uses.append(ElementUse(one, _roles(one, wish), given))
    findings += _order(first, wish.elements)
    findings += [Finding(f'There is no element {name} in this trial.')
                 for name in {*wish.parameters, *wish.roles} - set(order)]
    if findings:
        raise Invalid(findings)
    return Layout(tuple(uses), tuple(judged),
                  {use.element.name: use.variables for use in uses})


def _add(order: dict[str, Element], one: Element,
         judged: Mapping[str, Element], find: Find, path: tuple[str, ...]
         ) -> None:
    """An element after all that it requires."""
    if one.name in order:
        return
    if one.name in path:
        raise Invalid([Finding('These elements require each other: '
                               f'{", ".join((*path, one.name))}.')])
    for name in one.requires:
        _add(order, judged.get(name) or find(name), judged, find,
             (*path, one.name))
    order[one.name] = one


def _roles(one: Element, wish: Wish) -> dict[str, tuple[str, ...]]:
    """Role -> groups: said, or the head for what there is one of."""
    single = {role.name for role in one.roles if role.scope == 'cluster'}
    rest = (COMPUTE,) if single else GROUPS
    said = {**one.trial.roles, **wish.roles.get(one.name, {})}
    return {role.name: said.get(role.name, (
        (HEAD,) if role.name in single else rest)) for role in one.roles}


def _order(first: Iterable[Element], judged: Iterable[Element]
           ) -> Iterator[Finding]:
    """What is judged is on top, and in an order that can be applied."""
    names = [one.name for one in judged]
    for one in first:
        for name in set(one.requires) & set(names):
            yield Finding(f'{one.name} stands on {name}, so that cannot be '
                          'reverted below it; try them together.')
    done: set[str] = set()
    for one in judged:
        for name in set(one.requires) & set(names) - done:
            yield Finding(f'{one.name} requires {name}: name that first.')
        done.add(one.name)


def _wrong(one: Element, given: Mapping[str, Any], wish: Wish,
           order: Mapping[str, Element]) -> Iterator[Finding]:
    values = parameters.fill(one.parameters, given)
    for path, message in wording.findings(one.parameters, values):
        place = wording.place(path, one.name)
        yield Finding(f'{message}.', place)
    names = [role.name for role in one.roles]
    for role, groups in wish.roles.get(one.name, {}).items():
        if role not in names:
            yield Finding(f'{one.name} has no role "{role}"'
                          f'{wording.similar(role, names)}.')
        for group in set(groups) - set(GROUPS):
            yield Finding(f'A trial has no node group "{group}"'
                          f'{wording.similar(group, GROUPS)}.')
    for name in set(one.conflicts) & set(order):
        yield Finding(f'{one.name} cannot be with {name}.')
