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


"""What the change of a parameter means for a cluster that is there.

A blueprint's author says it beside the parameter::

    cidr:
      type: string
      x-update: fixed
      x-update-reason: Every machine has an address of it.

``in-place`` (layers are applied with the new value), ``reapply`` (they are
taken off and put on again), ``replace`` (machines are replaced;
``x-update-groups`` says of which groups), ``fixed`` (it cannot be changed).
A parameter of which nothing is said is ``fixed`` when it says what the
machines are, and ``in-place`` otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses

from hpcdirect.blueprints import parameters
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Infrastructure
from hpcdirect.blueprints.model import VolumeUse
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import members
from hpcdirect.jsontypes import text
from hpcdirect.jsontypes import texts

IN_PLACE, REAPPLY, REPLACE, FIXED = 'in-place', 'reapply', 'replace', 'fixed'


@dataclasses.dataclass(frozen=True)
class Site:
    """Where a cluster is, as far as it matters for what may be changed.

    :param backend: what makes its machines.
    :param volumes: the shared folders that machines really have.
    :param force: although data that is on one machine only is lost.
    """

    backend: str = ''
    volumes: tuple[VolumeUse, ...] = ()
    force: bool = False


#: No backend in particular.
NOWHERE = Site()


@dataclasses.dataclass(frozen=True)
class Update:
    """What a change means.

    :param groups: whose machines are replaced.
    :param reason: why, in the author's words; may be ''.
    """

    kind: str
    groups: tuple[str, ...] = ()
    reason: str = ''


def of_parameter(blueprint: Blueprint, name: str, backend: str) -> Update:
    """What it means to change a parameter of a blueprint."""
    said = members(parameters.properties(blueprint.parameters).get(name))
    reason = text(said.get('x-update-reason'))
    section = blueprint.infrastructure.get(backend, Infrastructure())
    wired = name in {*_ends(section.settings), *_ends(section.groups)}
    if any(group.count == name for group in blueprint.node_groups):
        return Update(IN_PLACE, (), reason)
    kind = text(said.get('x-update'))
    if not kind:
        kind = FIXED if wired else IN_PLACE
        reason = reason or wired * (
            'it says what the machines are, and the blueprint does not say '
            'that they may be replaced for it')
    elif kind == REPLACE and not wired:
        # It means something to another backend only.
        return Update(IN_PLACE, (), reason)
    return Update(kind, texts(said.get('x-update-groups')) or _groups(
        blueprint, section, name) if kind == REPLACE else (), reason)


def reapplied(blueprint: Blueprint, variables: Object, schema: Object
              ) -> frozenset[str]:
    """Which variables of an element cannot be changed in place.

    :param variables: as the blueprint wires them.
    :param schema: the element's parameters.
    """
    reapply = _reapply(blueprint.parameters)
    return _reapply(schema) | {
        name for name, value in variables.items()
        if not reapply.isdisjoint(_ends(value))}


def _reapply(schema: Object) -> frozenset[str]:
    return frozenset(
        name for name, said in parameters.properties(schema).items()
        if members(said).get('x-update') == REAPPLY)


def _groups(blueprint: Blueprint, section: Infrastructure, name: str
            ) -> tuple[str, ...]:
    """The groups whose machines a parameter shapes; all when in doubt."""
    found = tuple(group for group, said in section.groups.items()
                  if name in set(_ends(said)))
    return found or tuple(group.name for group in blueprint.node_groups)


def _ends(value: JSON) -> Iterator[str]:
    """Names of the parameters that are wired to anything inside."""
    if parameters.is_wire(value):
        if 'parameter' in value:
            yield value['parameter']
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _ends(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _ends(inner)
