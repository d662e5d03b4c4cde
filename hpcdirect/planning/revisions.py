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


"""From one revision of a cluster to another, and how they differ.

A revision is a state as it was kept; see :mod:`state`. Whatever stands in it
comes along, even what this release does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses

from hpcdirect.blueprints import parameters
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.parameters import Mask
from hpcdirect.blueprints.parameters import filled
from hpcdirect.blueprints.parameters import properties
from hpcdirect.exception import Finding
from hpcdirect.exception import Findings
from hpcdirect.exception import Invalid
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import members
from hpcdirect.planning import sizing
from hpcdirect.planning.elements import Listed
from hpcdirect.planning.state import ElementChoice
from hpcdirect.planning.state import Slot
from hpcdirect.planning.state import State
from hpcdirect.planning.updates import Site

#: Why nothing can be like a generation in which its cluster goes.
GOING = ('The cluster is deleted in this generation; take an earlier one.')


def moved(state: State, aim: State, blueprint: Blueprint, site: Site,
          highest: Mapping[str, int]) -> State:
    """The state *aim*, with the machines that are there.

    A machine stays unless a parameter that shapes it differs. What machines
    were replaced meanwhile are not replaced again.

    :param blueprint: that of *aim*, with the elements that are on the
        machines now: they decide what would be lost with them.
    :param highest: slot -> the highest incarnation it ever had, which a
        machine of it may still carry.
    :raises Invalid: with all that stands in the way.
    """
    alive(aim, '$.generation')
    there = {name: slot.incarnation
             for name, (_, slot) in state.slots.items()}
    new = dataclasses.replace(
        aim, name=state.name or aim.name,
        groups={group: tuple(Slot(slot.name, there.get(slot.name) or max(
            slot.incarnation, highest.get(slot.name, 0))) for slot in slots)
            for group, slots in aim.groups.items()})
    before, after = state.parameters, aim.parameters
    return sizing.reshaped(new, blueprint, site, [
        name for name in after
        if name in before and before[name] != after[name]])


def cloned(state: State, blueprint: Blueprint, given: Object
           ) -> State:
    """The state of a new cluster that is to be like another.

    :param state: of one that was to stay; see :func:`alive`.
    :param given: parameters that are to be otherwise.
    :raises Invalid: with every finding about them.
    """
    values = sizing.check(blueprint, {**state.parameters, **given})
    new = sizing.recounted(state, blueprint, values, given)
    return dataclasses.replace(new, name='', groups={
        group: tuple(Slot(slot.name) for slot in slots)
        for group, slots in new.groups.items()})


def upgraded(state: State, before: Blueprint, after: Blueprint,
             given: Object) -> State:
    """The state of another version of the blueprint.

    Parameters keep their values. One that the version does not know goes by
    itself when it had its default; null takes away any. Slots stay; a group
    that is new has as many as the version says.

    :param given: parameters that are to be otherwise.
    :raises Invalid: with every finding about the parameters, and about
        groups that the slots do not fit into.
    """
    known = {group.name: state.groups.get(group.name)
             for group in after.node_groups}
    counted = {group.count: len(known[group.name] or ())
               for group in after.node_groups
               if isinstance(group.count, str)
               and known[group.name] is not None}
    asked = {**_carried(state, before, after), **counted, **given}
    known_now = properties(after.parameters)
    values = sizing.check(after, {
        name: value for name, value in asked.items()
        if value is not None
        or (name in known_now and name not in given)})
    # Slots of groups that stay are counted anew only when somebody says so.
    aim = sizing.recounted(dataclasses.replace(
        state, blueprint=after.name, version=after.version,
        blueprint_digest=after.digest,
        groups={name: slots or () for name, slots in known.items()},
        elements=tuple(one for one in state.elements
                       if _still(one, before, after))), after, values, [
        group.count for group in after.node_groups
        if isinstance(group.count, str)
        and (group.count in given or known[group.name] is None)])
    findings = Findings()
    for group in after.node_groups:
        with findings.gather():
            if isinstance(group.count, int) and known[group.name] is None:
                aim = sizing.with_count(aim, after, group.name, group.count)
            else:
                sizing.within(group, len(aim.groups[group.name]))
    findings.check()
    return aim


def _carried(state: State, before: Blueprint, after: Blueprint
             ) -> dict[str, JSON]:
    """Parameters that go along to another version."""
    old, new = properties(before.parameters), properties(after.parameters)
    return {name: value for name, value in state.parameters.items()
            if name in new or name not in old
            or value != filled(old[name],
                               members(old[name]).get('default'))}


def _still(choice: ElementChoice, before: Blueprint, after: Blueprint
           ) -> bool:
    """Whether what an owner said of an element means something still.

    What was said of an element of the blueprint goes with it.
    """
    return any(use.element.name == choice.name for use in after.elements) \
        or all(use.element.name != choice.name for use in before.elements)


def alive(state: State, where: str) -> None:
    """Pass, or raise Invalid: nothing can be like what is to go."""
    if state.deleted:
        raise Invalid([Finding(GOING, where)])


# -- how two of them differ --------------------------------------------

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
