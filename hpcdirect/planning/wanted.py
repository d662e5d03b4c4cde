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

"""From a blueprint and a state to the layers that are wanted.

A layer is wanted *with certain inputs*, and one digest stands for all of
them: the element's content, its own parameters, what is wired to it, the
versions of its secrets, and only those facts of the membership that its role
watches. What is not in the digest cannot make a layer run again.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses

from hpcdirect import digests
from hpcdirect.blueprints import parameters
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Element
from hpcdirect.blueprints.model import ElementUse
from hpcdirect.blueprints.model import Role
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import text
from hpcdirect.planning import updates
from hpcdirect.planning.state import State

#: node, element, role: what names a layer within a cluster
LayerKey = tuple[str, str, str]

_PLURAL = {'names': 'name', 'addresses': 'address', 'host_keys': 'host_key'}


@dataclasses.dataclass(frozen=True)
class Member:
    """What is known of a wanted node; '' where nothing is known yet."""

    name: str
    group: str
    incarnation: int
    address: str = ''
    host_key: str = ''


@dataclasses.dataclass(frozen=True)
class WantedElement:
    """An element as it is to stand on the cluster.

    :param members: role -> the nodes that are to play it.
    :param variables: its parameters with their values, None when one of
        them is wired to something not known yet.
    :param reapplied: those of them that cannot be changed in place.
    """

    element: Element
    position: int
    members: Mapping[str, tuple[Member, ...]]
    variables: Object | None
    outputs: Object
    reapplied: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The element's name."""
        return self.element.name


@dataclasses.dataclass(frozen=True)
class WantedLayer:
    """A layer as it is to stand on one node.

    :param digest: '' while an input is not known yet.
    :param base: digest of those inputs that cannot be changed in place; ''
        without any.
    """

    node: str
    incarnation: int
    element: str
    role: str
    position: int
    version: str
    digest: str
    base: str = ''

    @property
    def key(self) -> LayerKey:
        """What names it within its cluster."""
        return (self.node, self.element, self.role)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """All that is wanted of a cluster, in the order it is to be applied.

    :param most_out: node group -> how many of its nodes may be out of
        service at one time while they are changed.
    """

    members: Mapping[str, Member]
    elements: tuple[WantedElement, ...]
    layers: Mapping[LayerKey, WantedLayer]
    deleted: bool = False
    most_out: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def element(self, name: str) -> WantedElement | None:
        """The element of that name, when it is wanted."""
        return next((e for e in self.elements if e.name == name), None)

    @property
    def outputs(self) -> dict[str, JSON]:
        """``element.name`` -> value, of everything known."""
        return {f'{e.name}.{key}': value for e in self.elements
                for key, value in e.outputs.items() if value is not None}


def build(blueprint: Blueprint, state: State,
          known: Mapping[str, Member],
          secret_versions: Mapping[tuple[str, str], int]) -> Wanted:
    """What *state* means, given what is known of the machines.

    :param known: what the backend told of each slot; a slot not in it, or
        known with another incarnation, counts as not known.
    :param secret_versions: (element, secret) -> version in force.
    """
    if state.deleted:
        return Wanted({}, (), {}, deleted=True)
    members = {}
    for name, (group, slot) in state.slots.items():
        seen = known.get(name)
        fits = seen and seen.incarnation == slot.incarnation
        members[name] = seen if seen and fits else Member(
            name, group, slot.incarnation)
    elements: list[WantedElement] = []
    layers: dict[LayerKey, WantedLayer] = {}
    outputs: dict[str, JSON] = {}
    uses = [use for use in blueprint.elements
            if not use.when or state.parameters.get(use.when)]
    for position, use in enumerate(uses):
        wanted = dataclasses.replace(
            _element(use, position, members, state, outputs),
            reapplied=updates.reapplied(blueprint, use.variables,
                                        use.element.parameters))
        elements.append(wanted)
        outputs |= {f'{wanted.name}.{key}': value
                    for key, value in wanted.outputs.items()}
        for layer in _layers(wanted, secret_versions):
            layers[layer.key] = layer
    return Wanted(members, tuple(elements), layers, most_out={
        group.name: group.most_out(len(state.groups.get(group.name, ())))
        for group in blueprint.node_groups})


def _element(use: ElementUse, position: int, members: Mapping[str, Member],
             state: State, outputs: Object) -> WantedElement:
    by_role = {role.name: tuple(
        member for member in members.values()
        if member.group in use.roles.get(role.name, ()))
        for role in use.element.roles}
    variables = None
    if not _unknown(use.variables, outputs):
        given = parameters.resolve(use.variables, state.parameters,
                                   outputs)
        variables = parameters.fill(use.element.parameters, given)
    return WantedElement(
        use.element, position, by_role, variables,
        {name: _output(value, by_role)
         for name, value in use.element.outputs.items()})


def _unknown(value: JSON, outputs: Object) -> bool:
    """Whether a wire in it leads to an output that has no value yet."""
    if parameters.is_wire(value):
        return outputs.get(value.get('output', ''), '') is None
    if isinstance(value, Mapping):
        return any(_unknown(item, outputs) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(_unknown(item, outputs) for item in value)
    return False


def _output(value: JSON, members: Mapping[str, tuple[Member, ...]]) -> JSON:
    """The value of an element's output, None while it is not known."""
    if not isinstance(value, Mapping) or 'role' not in value:
        return value
    first = next(iter(members.get(text(value['role']), ())), None)
    return {'address': first.address, 'name': first.name}[
        text(value['fact'])] or None if first else None


def _layers(wanted: WantedElement,
            secret_versions: Mapping[tuple[str, str], int]
            ) -> list[WantedLayer]:
    element = wanted.element
    layers = []
    for role in element.roles:
        facts = _watched(role, wanted.members)
        text, base = '', _base(wanted, role)
        if facts is not None and wanted.variables is not None:
            text = digests.digest_of({
                'element': element.digest, 'role': role.name,
                'variables': _minded(role, wanted.variables),
                'facts': facts,
                'secrets': {secret.name: secret_versions.get(
                    (element.name, secret.name), 1)
                    for secret in element.secrets}})
        layers += [WantedLayer(member.name, member.incarnation, element.name,
                               role.name, wanted.position, element.version,
                               text, base)
                   for member in wanted.members[role.name]]
    return layers


def _minded(role: Role, variables: Object) -> Object:
    """Those variables whose change is for this role."""
    return {name: value for name, value in variables.items()
            if role.parameters is None or name in role.parameters}


def _base(wanted: WantedElement, role: Role) -> str:
    """Stands for the variables that cannot be changed in place."""
    if not wanted.reapplied or wanted.variables is None:
        return ''
    fixed = {name: wanted.variables.get(name) for name in wanted.reapplied}
    minded = _minded(role, fixed)
    return digests.digest_of(minded) if minded else ''


def _watched(role: Role, members: Mapping[str, tuple[Member, ...]]
             ) -> dict[str, list[str]] | None:
    """The facts a role watches; None while one of them is not known."""
    facts = {}
    for watch in role.watches:
        other, _, fact = watch.partition('.')
        values = [getattr(member, _PLURAL[fact])
                  for member in members.get(other, ())]
        if not all(values):
            return None
        # The name goes along: two nodes that swap addresses are a change.
        facts[watch] = [f'{member.name}={value}' for member, value in
                        zip(members.get(other, ()), values, strict=True)]
    return facts
