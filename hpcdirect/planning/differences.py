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


"""What differs between two revisions of a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses

from hpcdirect.blueprints import parameters
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.parameters import Mask
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.planning.composition import Listed
from hpcdirect.planning.state import State


@dataclasses.dataclass(frozen=True)
class Difference:
    """One thing that is otherwise.

    :param kind: blueprint, cluster, parameter, element, node; or a member
        of the state that is not one of these, such as users.
    :param before: how it was; None when it was not there.
    :param after: how it is; None when it is not there.
    """

    kind: str
    subject: str
    before: JSON
    after: JSON


@dataclasses.dataclass(frozen=True)
class Revision:
    """A state, and what the catalogue says about it.

    :param elements: as they stand on the cluster; empty when the catalogue
        does not know them any more.
    """

    state: State
    blueprint: Blueprint | None = None
    elements: tuple[Listed, ...] = ()

    @property
    def parameters(self) -> dict[str, JSON]:
        """The parameters as they may be shown.

        Of a blueprint that is gone nobody knows which are secret.
        """
        values = self.state.parameters
        if self.blueprint is None:
            return dict.fromkeys(values, parameters.HIDDEN)
        return self.blueprint.mask.hide(values)


def between(before: Revision, after: Revision) -> list[Difference]:
    """All that differs, from the whole to the parts.

    A secret that differs is told of, not shown.
    """
    return [*_whole(before.state, after.state),
            *_parameters(before, after),
            *_of('element', _elements(before), _elements(after)),
            *_of('node', _nodes(before.state), _nodes(after.state)),
            *_others(before.state, after.state)]


def _whole(before: State, after: State) -> Iterator[Difference]:
    if before.version != after.version:
        yield Difference('blueprint', after.blueprint, before.version,
                         after.version)
    if before.deleted != after.deleted:
        yield Difference('cluster', 'deleted', before.deleted, after.deleted)


def _parameters(before: Revision, after: Revision) -> Iterator[Difference]:
    old, new = before.state.parameters, after.state.parameters
    for name in dict.fromkeys((*old, *new)):
        if (name in old, old.get(name)) != (name in new, new.get(name)):
            yield Difference('parameter', name, before.parameters.get(name),
                             after.parameters.get(name))


def _elements(revision: Revision) -> dict[str, JSON]:
    """Name -> what is to be told of it; only of those that are on."""
    if revision.blueprint is None:
        return Mask({}).hide({
            one.name: one.to_json() for one in revision.state.elements})
    return {one.use.element.name: {
        'version': one.use.element.version,
        'roles': {role: list(groups)
                  for role, groups in one.use.roles.items()},
        'parameters': parameters.hidden(
            one.use.element.parameters,
            revision.state.choice(one.use.element.name).parameters)}
        for one in revision.elements if one.on}


def _nodes(state: State) -> dict[str, JSON]:
    """Slot -> its group and incarnation."""
    return {name: {'group': group, 'incarnation': slot.incarnation}
            for name, (group, slot) in state.slots.items()}


def _others(before: State, after: State) -> Iterator[Difference]:
    """Users, and what is not known here, by name."""
    for kind in ('users', *dict.fromkeys((*before.others, *after.others))):
        old, new = (_users(state) if kind == 'users'
                    else state.others.get(kind) for state in (before, after))
        if old == new:
            continue
        before_, after_ = old or {}, new or {}
        if isinstance(before_, Mapping) and isinstance(after_, Mapping):
            yield from _of(kind, before_, after_)
        else:
            yield Difference(kind, '', old, new)


def _users(state: State) -> dict[str, JSON]:
    return {name: one.to_json() for name, one in state.users.items()}


def _of(kind: str, before: Object, after: Object) -> Iterator[Difference]:
    """Things with names; of those in both only what differs."""
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            keys = [key for key in dict.fromkeys((*old, *new))
                    if old.get(key) != new.get(key)]
            old = {key: old.get(key) for key in keys}
            new = {key: new.get(key) for key in keys}
        yield Difference(kind, name, old, new)
