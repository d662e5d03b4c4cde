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

"""Parameters and sizes of what is wanted of a cluster.

Every function here takes a state and returns a new one; none does I/O.
"""

from __future__ import annotations

from collections.abc import Iterable
import dataclasses

from hpcdirect.blueprints import parameters
from hpcdirect.blueprints import wording
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import NodeGroup
from hpcdirect.blueprints.model import VolumeUse
from hpcdirect.exception import Finding
from hpcdirect.exception import Findings
from hpcdirect.exception import Invalid
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.planning import updates
from hpcdirect.planning.state import Slot
from hpcdirect.planning.state import State
from hpcdirect.planning.updates import Site


def first(blueprint: Blueprint, given: Object) -> State:
    """The state of a new cluster.

    :param given: parameters as the user gave them.
    :raises Invalid: with every finding about them.
    """
    values = check(blueprint, given)
    groups = {}
    for group in blueprint.node_groups:
        count = group_count(group, values)
        within(group, count)
        groups[group.name] = _slots(group.name, count, ())
    return State(blueprint.name, blueprint.version, blueprint.digest, values,
                 groups)


def check(blueprint: Blueprint, given: Object) -> dict[str, JSON]:
    """Parameters that were given, with the defaults of what was not.

    :raises Invalid: with every finding, each at its place such as
        ``$.parameters.users[0].name``.
    """
    values = parameters.fill(blueprint.parameters, given)
    found = [Finding(message, wording.place(path)) for path, message
             in wording.findings(blueprint.parameters, values)]
    wrong = {finding.where for finding in found}
    for group in blueprint.node_groups:
        where = wording.place((group.count,))
        if not isinstance(group.count, str) or where in wrong:
            continue
        count = values.get(group.count)
        if not isinstance(count, (int, float)):
            found.append(Finding(
                f'is required: it is the size of group {group.name}', where))
        elif count < group.min_count:
            found.append(Finding(
                f'is {count}; the least is {group.min_count} for group '
                f'{group.name}', where))
        elif count > group.max_count:
            found.append(Finding(
                f'is {count}; the most is {group.max_count} for group '
                f'{group.name}', where))
    if found:
        raise Invalid(found)
    return values


def group_count(group: NodeGroup, values: Object) -> int:
    """How many nodes a group has with these parameters, once checked."""
    count = values[group.count] if isinstance(group.count, str) \
        else group.count
    if not isinstance(count, (int, float)):
        raise TypeError(f'The size of {group.name} is {count!r}.')
    return int(count)


def with_parameters(state: State, blueprint: Blueprint,
                    given: Object, site: Site = updates.NOWHERE
                    ) -> State:
    """The state with some parameters changed.

    A group whose count is a parameter follows it: slots with the highest
    numbers go first. Machines that a parameter shapes are replaced when the
    blueprint says so.

    :raises Invalid: with every finding about the parameters.
    """
    values = check(blueprint, {**state.parameters, **given})
    new = reshaped(state, blueprint, site, [
        name for name, value in values.items()
        if state.parameters.get(name) != value])
    return recounted(new, blueprint, values, given)


def recounted(state: State, blueprint: Blueprint, values: Object,
              given: Iterable[str]) -> State:
    """The state with other parameters, and the slots that they count.

    :param values: all parameters, checked.
    :param given: those that decide anew how many slots there are.
    :raises Invalid: too few or too many.
    """
    groups = dict(state.groups)
    for group in blueprint.node_groups:
        if isinstance(group.count, str) and group.count in given:
            count = group_count(group, values)
            within(group, count)
            groups[group.name] = _slots(group.name, count,
                                        groups[group.name])
    return dataclasses.replace(state, parameters=dict(values), groups=groups)


def reshaped(state: State, blueprint: Blueprint, site: Site,
             changed: Iterable[str]) -> State:
    """The state in which the machines that parameters shape are replaced.

    :param changed: parameters that have been changed.
    :raises Invalid: one cannot be, or data would be lost.
    """
    findings = Findings()
    groups: dict[str, None] = {}
    for name in changed:
        update = updates.of_parameter(blueprint, name, site.backend)
        if update.kind == updates.FIXED:
            findings.append(Finding(
                'cannot be changed on a cluster that is there'
                + (f': {update.reason.rstrip(".")}' if update.reason else '')
                + '; make another cluster with it',
                wording.place((name,))))
        groups |= dict.fromkeys(update.groups)
    for group in groups:
        with findings.gather():
            state = with_replaced(state, blueprint, group, [
                slot.name for slot in state.groups[group]], site)
    findings.check()
    return state


def with_count(state: State, blueprint: Blueprint, group_name: str,
               count: int) -> State:
    """The state with a group of *count* slots, the lowest numbers kept."""
    group = _group(blueprint, group_name)
    return _with_slots(state, blueprint, group, _slots(
        group_name, count, state.groups[group_name]))


def with_slots(state: State, blueprint: Blueprint, group_name: str,
               names: Iterable[str]) -> State:
    """The state in which a group has just these slots.

    Slots that are there stay as they are; a new name must be
    ``<group>-<number>``.

    :raises Invalid: a name does not fit, or too few or too many of them.
    """
    group = _group(blueprint, group_name)
    old = {slot.name: slot for slot in state.groups[group_name]}
    wanted = list(dict.fromkeys(names))
    wrong = [name for name in wanted if name not in old
             and _number(group_name, name) is None]
    if wrong:
        raise Invalid(Finding(
            f'"{name}" is not a slot of group {group_name}; slots are named '
            f'{group_name}-0, {group_name}-1 and so on.',
            f'$.node_groups.{group_name}.slots') for name in wrong)
    return _with_slots(state, blueprint, group, _ordered(
        group_name, [old.get(name, Slot(name)) for name in wanted]))


def with_replaced(state: State, blueprint: Blueprint, group_name: str,
                  names: Iterable[str], site: Site = updates.NOWHERE
                  ) -> State:
    """The state in which these slots get another machine.

    :raises Invalid: a name is not a slot of the group, or data would be lost.
    """
    group = _group(blueprint, group_name)
    there = {slot.name for slot in state.groups[group_name]}
    wanted = list(dict.fromkeys(names))
    where = f'$.node_groups.{group_name}.replace'
    findings = Findings(
        Finding(f'there is no node "{name}" in group {group_name}', where)
        for name in wanted if name not in there)
    lost = data_of(blueprint, group, site.volumes)
    if lost and wanted and not site.force:
        findings.append(Finding(
            f'{", ".join(lost)} of group {group_name} is on no volume and '
            'would be lost with the machine; give force if that may be lost',
            where))
    findings.check()
    return _with(state, group_name, (
        Slot(slot.name, slot.incarnation + 1) if slot.name in wanted else slot
        for slot in state.groups[group_name]))


def slot_names(state: State) -> list[str]:
    """Every slot wanted, group by group; none of a cluster that is to go."""
    return [] if state.deleted else list(state.slots)


def _with(state: State, group: str, slots: Iterable[Slot]) -> State:
    return dataclasses.replace(
        state, groups={**state.groups, group: tuple(slots)})


def _with_slots(state: State, blueprint: Blueprint, group: NodeGroup,
                slots: tuple[Slot, ...]) -> State:
    """Put slots into a group; the parameter that counts them follows."""
    within(group, len(slots))
    new = _with(state, group.name, slots)
    return new if isinstance(group.count, int) else dataclasses.replace(
        new, parameters=check(
            blueprint, {**new.parameters, group.count: len(slots)}))


def data_of(blueprint: Blueprint, group: NodeGroup,
            volumes: Iterable[VolumeUse]) -> list[str]:
    """Paths whose data a group's machines alone hold.

    An element's data lies with the role there is one of, or, when it has
    none such, where people log in; volumes outlive machines.
    """
    paths = set()
    for use in blueprint.elements:
        owners = {name for role in use.element.roles
                  if role.scope == 'cluster'
                  for name in use.roles.get(role.name, ())}
        if group.name in (owners or {blueprint.login}):
            paths |= {path for path in use.element.data if not any(
                group.name in volume.groups
                and (path + '/').startswith(volume.mount.rstrip('/') + '/')
                for volume in volumes)}
    return sorted(paths)


def _group(blueprint: Blueprint, name: str) -> NodeGroup:
    try:
        return blueprint.group(name)
    except KeyError:
        known = ', '.join(group.name for group in blueprint.node_groups)
        raise Invalid([Finding(
            f'There is no node group "{name}"; blueprint '
            f'{blueprint.name} has: {known}.', '$.node_groups')]) from None


def within(group: NodeGroup, count: int) -> None:
    """Pass, or raise Invalid: a group takes so many nodes."""
    if not group.min_count <= count <= group.max_count:
        raise Invalid([Finding(
            f'{count} nodes asked for; group {group.name} takes '
            f'{group.min_count} to {group.max_count}.',
            f'$.node_groups.{group.name}')])


def _number(group: str, name: str) -> int | None:
    """The number in a slot's name, None when it is not such a name."""
    head, _, tail = name.rpartition('-')
    plain = tail.isascii() and tail.isdigit() and str(int(tail)) == tail
    return int(tail) if head == group and plain and len(tail) < 6 else None


def _slots(group: str, count: int, old: Iterable[Slot]) -> tuple[Slot, ...]:
    """*count* slots: old ones first, then the lowest free numbers."""
    kept = list(old)[:max(count, 0)]
    names = {slot.name for slot in kept}
    number = 0
    while len(kept) < count:
        name = f'{group}-{number}'
        if name not in names:
            kept.append(Slot(name))
        number += 1
    return _ordered(group, kept)


def _ordered(group: str, slots: Iterable[Slot]) -> tuple[Slot, ...]:
    """Slots by their numbers."""
    return tuple(sorted(
        slots, key=lambda slot: _number(group, slot.name) or 0))
