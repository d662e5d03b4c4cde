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

"""What must hold inside an element, beyond what its schema says."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from hpcdirect.blueprints import wording
from hpcdirect.blueprints.document import Document
from hpcdirect.blueprints.document import Path
from hpcdirect.blueprints.model import Element
from hpcdirect.blueprints.parameters import SHORTEST
from hpcdirect.blueprints.parameters import fill
from hpcdirect.blueprints.parameters import is_secret
from hpcdirect.blueprints.parameters import properties
from hpcdirect.exception import Finding
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import entries
from hpcdirect.jsontypes import members
from hpcdirect.jsontypes import texts
from hpcdirect.jsontypes import whole

#: What a role's layers can watch, and what an output can tell of it.
WATCHED = ('names', 'addresses', 'host_keys')
TOLD = ('address', 'name')

#: Playbooks get these from us; a parameter of that name would hide them.
_RESERVED = ('hpc', 'hpc_node', 'hpc_secrets')


def element(source: Document, one: Element) -> Iterator[Finding]:
    """Everything that is wrong with an element."""
    yield from parameters(source, one.parameters)
    for name in _RESERVED:
        if name in properties(one.parameters):
            yield source.finding(('parameters', 'properties', name),
                                 f'"{name}" is ours; call it otherwise.')
    yield from updates(source, one.parameters, ('in-place', 'reapply'))
    for verb in ('apply', 'revert', 'verify'):
        if not one.can(verb):
            yield source.finding((), f'There is no {verb}.yaml beside this '
                                     f'file; every element has one.')
    if one.can('drain') != one.can('resume'):
        yield source.finding((), 'drain.yaml and resume.yaml come together.')
    yield from _roles(source, one)
    yield from _outputs(source, one)
    yield from _exporters(source, one)
    yield from _trial(source, one)
    for which in ('requires', 'conflicts'):
        if one.name in getattr(one, which):
            yield source.finding((which,), f'An element cannot be in its '
                                           f'own {which}.')


def parameters(source: Document, schema: Object
               ) -> Iterator[Finding]:
    """Everything that is wrong with a ``parameters:`` section."""
    broken = False
    for path, message in _of_schema(schema):
        broken = True
        name = '.'.join(map(str, ('parameters', *path)))
        yield source.finding(('parameters', *path), f'{name} {message}.')
    if broken:
        return
    yield from _secrets(source, schema)
    checker = wording.validator(schema)
    for path, inner in schemas(schema, ()):
        if 'default' not in inner:
            continue
        errors = checker.evolve(schema=inner).iter_errors(inner['default'])
        for error in errors:
            for deeper, message in wording.explain(error):
                said = '.'.join(map(str, (_last(path), *deeper)))
                yield source.finding(
                    ('parameters', *path, 'default', *deeper),
                    f'The default of {said} {message}.')


def _last(path: tuple[str | int, ...]) -> str | int:
    """What a part of the schema is of; the whole is of all parameters."""
    return path[-1] if path else 'parameters'


def _secrets(source: Document, schema: Object
             ) -> Iterator[Finding]:
    """What is marked secret must be where it is seen, and long enough."""
    for path, inner in schemas(schema, ()):
        if not is_secret(inner):
            continue
        place, said = ('parameters', *path), f'{_last(path)} is secret'
        words = [key for number, key in enumerate(path)
                 if not number or path[number - 1] != 'properties']
        if set(words) - {'properties', 'items'}:
            yield source.finding(place, f'{said}; that counts below '
                                        'properties and items only.')
        if inner.get('type') != 'string' \
                or whole(inner.get('minLength')) < SHORTEST:
            yield source.finding(
                place, f'{said}: it takes type string and a minLength of '
                f'{SHORTEST} or more, or it could not be told from '
                'other words in a log.')
        if 'default' in inner:
            yield source.finding((*place, 'default'), (
                f'{said}; everybody could read its default.'))


def updates(source: Document, schema: Object,
            kinds: Iterable[str]) -> Iterator[Finding]:
    """What a change of a parameter means has to be one of these."""
    known = tuple(kinds)
    for name, said in properties(schema).items():
        kind = said.get('x-update') if isinstance(said, Mapping) else None
        if kind is not None and kind not in known:
            yield source.finding(
                ('parameters', 'properties', name, 'x-update'),
                f'x-update of {name} is "{kind}"'
                f'{wording.similar(str(kind), known)}.')


def _of_schema(schema: Object) -> Iterator[wording.Found]:
    """Where a schema is none, or points out of itself."""
    yield from wording.of_schema(schema)
    for path, inner in schemas(schema, ()):
        target = inner.get('$ref')
        if isinstance(target, str) and not (
                target.startswith('#/$defs/')
                and target[8:] in members(schema.get('$defs'))):
            yield (*path, '$ref'), 'must name one of "#/$defs/..."'
    for name in texts(schema.get('required')):
        if name not in properties(schema):
            yield ('required',), f'names "{name}", which is no parameter'


def schemas(value: JSON, path: Path) -> Iterator[tuple[Path, Object]]:
    """Every schema inside a schema, itself included."""
    if not isinstance(value, Mapping):
        return
    yield path, value
    for key in ('properties', '$defs', 'patternProperties'):
        for name, one in members(value.get(key)).items():
            yield from schemas(one, (*path, key, name))
    for key in ('items', 'additionalProperties', 'not'):
        yield from schemas(value.get(key), (*path, key))
    for key in ('anyOf', 'oneOf', 'allOf', 'prefixItems'):
        for number, one in enumerate(entries(value.get(key))):
            yield from schemas(one, (*path, key, number))


def _roles(source: Document, one: Element) -> Iterator[Finding]:
    names = [role.name for role in one.roles]
    for role in one.roles:
        path = (('roles', role.name, 'watches')
                if ('roles',) in source.origins else ('watches',))
        for number, watch in enumerate(role.watches):
            whom, _, fact = watch.partition('.')
            if whom not in names:
                yield source.finding(
                    (*path, number), f'watches "{watch}": {one.name} has no '
                    f'role "{whom}"{wording.similar(whom, names)}.')
            elif fact not in WATCHED:
                yield source.finding(
                    (*path, number), f'watches "{watch}": a role has no '
                    f'"{fact}"{wording.similar(fact, WATCHED)}.')
        known = list(properties(one.parameters))
        for number, name in enumerate(role.parameters or ()):
            if name not in known:
                yield source.finding(
                    ('roles', role.name, 'parameters', number),
                    f'{one.name} has no parameter "{name}"'
                    f'{wording.similar(name, known)}.')
    known = list(properties(one.parameters))
    if one.accounts and one.accounts not in known:
        yield source.finding(
            ('accounts',), f'{one.name} has no parameter "{one.accounts}"'
            f'{wording.similar(one.accounts, known)}.')
    for number, name in enumerate(one.drain_with):
        if name not in names:
            yield source.finding(
                ('drain_with', number), f'{one.name} has no role "{name}"'
                f'{wording.similar(name, names)}.')


def _outputs(source: Document, one: Element) -> Iterator[Finding]:
    names = [role.name for role in one.roles]
    for name, said in one.outputs.items():
        if not isinstance(said, Mapping) or not {'role', 'fact'} & set(said):
            continue
        path = ('outputs', name)
        if set(said) != {'role', 'fact'}:
            yield source.finding(path, f'Output {name} needs just a role '
                                       f'and a fact.')
        elif said['role'] not in names:
            yield source.finding(
                (*path, 'role'), f'Output {name}: {one.name} has no role '
                f'"{said["role"]}"'
                f'{wording.similar(str(said["role"]), names)}.')
        elif said['fact'] not in TOLD:
            yield source.finding(
                (*path, 'fact'), f'Output {name}: a role has no '
                f'"{said["fact"]}"'
                f'{wording.similar(str(said["fact"]), TOLD)}.')


def _exporters(source: Document, one: Element) -> Iterator[Finding]:
    names = [role.name for role in one.roles]
    for exporter in one.exporters:
        for number, name in enumerate(exporter.roles):
            if name not in names:
                yield source.finding(
                    ('exporters', exporter.name, 'roles', number),
                    f'Exporter {exporter.name}: {one.name} has no role '
                    f'"{name}"{wording.similar(name, names)}.')


def _trial(source: Document, one: Element) -> Iterator[Finding]:
    names = [role.name for role in one.roles]
    for name in one.trial.roles:
        if name not in names:
            yield source.finding(
                ('trial', 'roles', name), f'{one.name} has no role "{name}"'
                f'{wording.similar(name, names)}.')
    if one.name in one.trial.elements:
        yield source.finding(('trial', 'with'), 'An element cannot be tried '
                                                'on top of itself.')
    if not one.trial.parameters or any(_of_schema(one.parameters)):
        return
    for path, message in wording.findings(
            one.parameters, fill(one.parameters, one.trial.parameters)):
        said = '.'.join(map(str, path)) or 'The mapping'
        yield source.finding(('trial', 'parameters', *path),
                             f'{said} {message}.')
