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

"""A blueprint's parameters: checking what was given, and using it."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import copy
from typing import Any

from hpcdirect.blueprints import wording
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import NodeGroup
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid


class _Absent:
    """What a wire gives whose other end has no value."""


_ABSENT = _Absent()


def check(blueprint: Blueprint, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, with the defaults of what was not.

    :raises Invalid: with every finding, each at its place such as
        ``$.parameters.users[0].name``.
    """
    values: dict[str, Any] = fill(blueprint.parameters, given)
    found = [Finding(message, place(path)) for path, message
             in wording.findings(blueprint.parameters, values)]
    wrong = {finding.where for finding in found}
    for group in blueprint.node_groups:
        where = place((group.count,))
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


def fill(schema: Mapping[str, Any], given: Any) -> Any:
    """A copy of *given* with the schema's defaults where it says nothing."""
    properties = schema.get('properties')
    if isinstance(given, Mapping) and isinstance(properties, Mapping):
        values = {name: fill(properties.get(name, {}), value)
                  for name, value in given.items()}
        for name, inner in properties.items():
            if name not in values and isinstance(inner, Mapping) \
                    and 'default' in inner:
                values[name] = fill(inner, inner['default'])
        return values
    items = schema.get('items')
    if isinstance(given, list) and isinstance(items, Mapping):
        return [fill(items, item) for item in given]
    return copy.deepcopy(given)


def place(path: Iterable[str | int], root: str = '$.parameters') -> str:
    """A JSON path as it stands in findings."""
    return root + ''.join(f'[{part}]' if isinstance(part, int)
                          else f'.{part}' for part in path)


def is_wire(value: Any) -> bool:
    """Whether a value is ``{parameter: X}`` or ``{output: ELEMENT.X}``."""
    return (isinstance(value, Mapping) and len(value) == 1
            and next(iter(value)) in ('parameter', 'output')
            and isinstance(next(iter(value.values())), str))


def resolve(value: Any, parameters: Mapping[str, Any],
            outputs: Mapping[str, Any]) -> Any:
    """The value with every wire in it, at any depth, replaced.

    A wire to something that has no value (an optional parameter that was
    not given, an output of an element that is switched off) is left out of
    the mapping or list it stands in, so that the default holds; on its own
    it is None.

    :param outputs: ``ELEMENT.NAME`` -> value.
    """
    found = _resolve(value, parameters, outputs)
    return None if found is _ABSENT else found


def group_count(blueprint: Blueprint, group: str | NodeGroup,
                parameters: Mapping[str, Any]) -> int:
    """How many nodes a group has with these parameters.

    :param group: a node group or its name.
    """
    node_group = blueprint.group(group) if isinstance(group, str) else group
    count = node_group.count
    return int(parameters[count] if isinstance(count, str) else count)


def _resolve(value: Any, parameters: Mapping[str, Any],
             outputs: Mapping[str, Any]) -> Any:
    if is_wire(value):
        kind, name = next(iter(value.items()))
        ends = parameters if kind == 'parameter' else outputs
        return copy.deepcopy(ends[name]) if name in ends else _ABSENT
    if isinstance(value, Mapping):
        entries = ((name, _resolve(item, parameters, outputs))
                   for name, item in value.items())
        return {name: item for name, item in entries if item is not _ABSENT}
    if isinstance(value, (list, tuple)):
        found = (_resolve(item, parameters, outputs) for item in value)
        return [item for item in found if item is not _ABSENT]
    return value
