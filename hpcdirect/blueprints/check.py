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

"""What must hold between a blueprint and its elements."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from hpcdirect.blueprints import element_check
from hpcdirect.blueprints import parameters
from hpcdirect.blueprints import stack_check
from hpcdirect.blueprints import wording
from hpcdirect.blueprints.document import Document
from hpcdirect.blueprints.document import Path
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Element
from hpcdirect.blueprints.model import ElementUse
from hpcdirect.blueprints.parameters import properties
from hpcdirect.exception import Finding
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import entries
from hpcdirect.jsontypes import members
from hpcdirect.jsontypes import text
from hpcdirect.jsontypes import texts

#: Position in the file -> the element there.
Uses = Mapping[int, ElementUse]


def blueprint(source: Document, one: Blueprint, uses: Uses
              ) -> Iterator[Finding]:
    """Everything that is wrong with a blueprint."""
    yield from element_check.parameters(source, one.parameters)
    yield from _updates(source, one)
    yield from _groups(source, one)
    yield from _known(source, ('login',), [one.login], one)
    for volume in one.volumes:
        yield from _known(source, ('volumes', volume.name, 'groups'),
                          volume.groups, one)
    path: Path
    said = members(members(source.data)['infrastructure'])
    for backend, section in one.infrastructure.items():
        path = ('infrastructure', backend)
        for name in section.groups:
            yield from _known(source, (*path, 'groups', name), [name], one)
        yield from _wires(source, path, said[backend], one, ())
        yield from _bare(source, path, said[backend], one)
        if section.template and backend not in one.templates:
            yield source.finding(
                (*path, 'template'), 'There is no YAML file '
                f'"{section.template}" beside this one.')
    yield from stack_check.blueprint(source, one)
    for number, use in uses.items():
        path = ('elements', number)
        yield from _roles(source, path, use, one)
        yield from _when(source, path, use, one)
        yield from _variables(source, path, use, one)
    yield from _order(source, uses)
    yield from _outputs(source, one)


def _updates(source: Document, one: Blueprint) -> Iterator[Finding]:
    yield from element_check.updates(source, one.parameters, (
        'in-place', 'reapply', 'replace', 'fixed'))
    for name, said in properties(one.parameters).items():
        if isinstance(said, Mapping) and 'x-update-groups' in said:
            yield from _known(source, (
                'parameters', 'properties', name, 'x-update-groups'),
                texts(said['x-update-groups']), one)


def _known(source: Document, path: Path, names: Iterable[str],
           one: Blueprint) -> Iterator[Finding]:
    groups = [group.name for group in one.node_groups]
    for name in names:
        if name not in groups:
            yield source.finding(path, f'There is no node group "{name}"'
                                       f'{wording.similar(name, groups)}.')


def _parameter(source: Document, path: Path, name: str, one: Blueprint,
               wanted: str = '') -> Iterator[Finding]:
    """A wire to a parameter must end at one, of the type if it matters."""
    known = properties(one.parameters)
    if name not in known:
        yield source.finding(path, f'There is no parameter "{name}"'
                                   f'{wording.similar(name, known)}.')
        return
    kind = members(known[name]).get('type', '')
    if wanted and kind != wanted:
        yield source.finding(path, f'Parameter {name} must be of type '
                                   f'{wanted} here; it is "{kind}".')


def _groups(source: Document, one: Blueprint) -> Iterator[Finding]:
    for group in one.node_groups:
        path = ('node_groups', group.name)
        if group.min_count > group.max_count:
            yield source.finding(
                (*path, 'max_count'), f'max_count {group.max_count} is less '
                f'than min_count {group.min_count}.')
        if isinstance(group.count, str):
            yield from _parameter(source, (*path, 'count'), group.count,
                                  one, 'integer')
        elif not group.min_count <= group.count <= group.max_count:
            yield source.finding(
                (*path, 'count'), f'count {group.count} is not within '
                f'{group.min_count} to {group.max_count}.')


def _roles(source: Document, path: Path, use: ElementUse, one: Blueprint
           ) -> Iterator[Finding]:
    element = use.element
    roles = {role.name: role for role in element.roles}
    given = (*path, 'roles') in source.origins
    if not given and set(use.roles) != set(roles):
        yield source.finding(
            path, f'{element.name} has roles; say which groups play '
            f'{", ".join(roles)}.')
        return
    for name in roles.keys() - use.roles.keys():
        yield source.finding((*path, 'roles'), f'No group plays {name} of '
                                               f'{element.name}.')
    for name, groups in use.roles.items():
        place = (*path, 'roles', name) if given else (*path, 'groups')
        yield from _known(source, place, groups, one)
        if name not in roles:
            yield source.finding(
                place, f'{element.name} has no role "{name}"'
                f'{wording.similar(name, roles)}.')
        elif roles[name].scope == 'cluster' and _many(groups, one):
            yield source.finding(
                place, f'Exactly one node plays {name} of {element.name}; '
                f'give it one group whose max_count is 1.')


def _many(groups: Iterable[str], one: Blueprint) -> bool:
    """Whether the groups could have more than one node together."""
    sizes = {group.name: group.max_count for group in one.node_groups}
    return sum(sizes.get(name, 0) for name in groups) > 1


def _when(source: Document, path: Path, use: ElementUse, one: Blueprint
          ) -> Iterator[Finding]:
    if use.when:
        yield from _parameter(source, (*path, 'when'), use.when, one,
                              'boolean')


def _variables(source: Document, path: Path, use: ElementUse,
               one: Blueprint) -> Iterator[Finding]:
    element = use.element
    known = properties(element.parameters)
    before = [other.element for other in one.elements]
    for name, value in use.variables.items():
        place = (*path, 'variables', name)
        if name not in known:
            yield source.finding(
                place, f'{element.name} has no parameter "{name}"'
                f'{wording.similar(name, known)}.')
            continue
        wires = list(_wires(source, place, value, one, before))
        yield from wires
        if not wires:
            yield from _unmarked(source, place, value, known[name], one)
        if not wires and not _wired(value):
            schema = {**element.parameters, 'required': []}
            for deeper, message in wording.findings(schema, {name: value}):
                said = '.'.join(map(str, deeper))
                yield source.finding((*path, 'variables', *deeper),
                                     f'{said} of {element.name} {message}.')
        elif not wires and parameters.is_wire(value):
            yield from _fits(source, place, value, known[name], one)
    for name in texts(element.parameters.get('required')):
        if name not in use.variables \
                and 'default' not in members(known.get(name)):
            yield source.finding((*path, 'variables'), (
                f'{element.name} needs a value for "{name}".'))


def _fits(source: Document, path: Path, wire: Mapping[str, str],
          schema: JSON, one: Blueprint) -> Iterator[Finding]:
    """Types at both ends of a parameter wire must agree."""
    name = wire.get('parameter')
    here = members(schema).get('type')
    there = members(properties(one.parameters).get(name or '')).get('type')
    if isinstance(here, str) and isinstance(there, str) and here != there \
            and (there, here) != ('integer', 'number'):
        yield source.finding(path, f'Parameter {name} is of type {there}; '
                                   f'{path[-1]} takes {here}.')


def _unmarked(source: Document, path: Path, value: JSON, schema: JSON,
              one: Blueprint) -> Iterator[Finding]:
    """What is secret of an element comes from a parameter that is, too."""
    if parameters.is_wire(value):
        name = value.get('parameter')
        if name and _secret_in(schema) and not _secret_in(
                properties(one.parameters)[name]):
            yield source.finding(path, f'{path[-1]} is secret; mark '
                                       f'parameter {name} x-secret as well.')
    elif parameters.is_secret(schema):
        yield source.finding(path, f'{path[-1]} is secret; take it from a '
                                   'parameter: everybody can read this file.')
    elif isinstance(value, Mapping) and isinstance(schema, Mapping):
        for key, inner in value.items():
            yield from _unmarked(source, (*path, key), inner,
                                 properties(schema).get(key), one)
    elif isinstance(value, list) and isinstance(schema, Mapping):
        for number, inner in enumerate(value):
            yield from _unmarked(source, (*path, number), inner,
                                 schema.get('items'), one)


def _bare(source: Document, path: Path, value: JSON, one: Blueprint
          ) -> Iterator[Finding]:
    """A secret cannot go to a cloud, which shows what it is given."""
    if parameters.is_wire(value):
        name = value.get('parameter', '')
        if _secret_in(properties(one.parameters).get(name)):
            yield source.finding(path, f'Parameter {name} is secret, and '
                                       'machines are described openly.')
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _bare(source, (*path, key), inner, one)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _bare(source, (*path, number), inner, one)


def _outputs(source: Document, one: Blueprint) -> Iterator[Finding]:
    """What is shown to people leads somewhere, and tells no secret."""
    elements = [use.element for use in one.elements]
    for output in one.outputs:
        path: Path = ('outputs', output.name)
        for name, wire in output.wires.items():
            yield from _wires(source, (*path, 'with', name), wire, one,
                              elements)
            if _secret_in(properties(one.parameters).get(
                    wire.get('parameter', ''))):
                yield source.finding((*path, 'with', name), (
                    f'Parameter {wire["parameter"]} is secret, and outputs '
                    'are shown.'))
        if output.when:
            yield from _wires(source, (*path, 'when'), output.when, one,
                              elements)
        for message in parameters.faults(output):
            yield source.finding((*path, 'value'), message)


def _secret_in(schema: JSON) -> bool:
    """Whether a schema marks anything secret."""
    if not isinstance(schema, Mapping):
        return False
    return parameters.is_secret(schema) or any(map(_secret_in, (
        *properties(schema).values(), schema.get('items'))))


def _wired(value: JSON) -> bool:
    """Whether there is a wire anywhere inside."""
    if isinstance(value, Mapping):
        return parameters.is_wire(value) or any(map(_wired, value.values()))
    return isinstance(value, list) and any(map(_wired, value))


def _wires(source: Document, path: Path, value: JSON, one: Blueprint,
           elements: Iterable[Element]) -> Iterator[Finding]:
    """Every wire inside a value must end somewhere."""
    if parameters.is_wire(value):
        kind, name = next(iter(value.items()))
        if kind == 'parameter':
            yield from _parameter(source, path, name, one)
            return
        ends = [f'{element.name}.{output}' for element in elements
                for output in element.outputs]
        if name not in ends:
            yield source.finding(path, f'There is no output "{name}"'
                                       f'{wording.similar(name, ends)}.')
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _wires(source, (*path, key), inner, one, elements)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _wires(source, (*path, number), inner, one, elements)


def _order(source: Document, uses: Uses) -> Iterator[Finding]:
    """requires, conflicts and that nothing comes twice."""
    listed = [text(members(said)['name']).partition('@')[0]
              for said in entries(members(source.data).get('elements'))]
    by_name = {use.element.name: use for use in uses.values()}
    for number, use in uses.items():
        path, name = ('elements', number, 'name'), use.element.name
        if name in listed[:number]:
            yield source.finding(path, f'{name} is listed twice.')
        for other in use.element.conflicts:
            if other in listed:
                yield source.finding(path, f'{name} and {other} cannot be '
                                           f'in one blueprint.')
        for other in use.element.requires:
            if other not in listed:
                yield source.finding(path, f'{name} needs {other} before '
                                           f'it; it is not listed.')
            elif name in _behind(other, by_name):
                yield source.finding(path, f'{name} and {other} need each '
                                           f'other, in a circle.')
            elif listed.index(other) > number:
                yield source.finding(path, f'{name} needs {other} before '
                                           f'it; move it up.')
            elif other in by_name:
                yield from _under(source, path, use, by_name[other])


def _under(source: Document, path: Path, use: ElementUse,
           below: ElementUse) -> Iterator[Finding]:
    """What an element stands on must be wherever it is itself."""
    name, other = use.element.name, below.element.name
    missing = sorted(_of(use) - _of(below))
    if missing:
        yield source.finding(path, f'{name} needs {other} on the same '
                                   f'nodes; it is not on: '
                                   f'{", ".join(missing)}.')
    if below.when and below.when != use.when:
        yield source.finding(path, f'{name} needs {other}, which '
                                   f'"{below.when}" can switch off.')


def _of(use: ElementUse) -> set[str]:
    return {group for groups in use.roles.values() for group in groups}


def _behind(name: str, uses: Mapping[str, ElementUse]) -> set[str]:
    """All that an element needs, and what those need."""
    found: set[str] = set()
    left = [name]
    while left:
        use = uses.get(left.pop())
        for other in use.element.requires if use else ():
            if other not in found:
                found.add(other)
                left.append(other)
    return found
