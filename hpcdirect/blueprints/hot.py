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


"""HOT, the language of Heat's templates, as data. Pure.

What is read here is held to little: that everything is where HOT has it, so
that nobody who works on it needs to ask. The rest is Heat's to say.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import copy
import dataclasses
import json
import pathlib
from typing import Self

from hpcdirect.blueprints import document
from hpcdirect.blueprints.document import Document
from hpcdirect.blueprints.document import Path
from hpcdirect.exception import BlueprintInvalid
from hpcdirect.exception import Finding
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import members

SERVER = 'OS::Nova::Server'
GROUP = 'OS::Heat::ResourceGroup'
#: What ``get_param`` knows without being told.
PSEUDO = ('OS::stack_name', 'OS::stack_id', 'OS::project_id')


@dataclasses.dataclass(frozen=True)
class Template:
    """HOT in its parts, each by name.

    :param rest: all else that it says, such as its version.
    """

    parameters: Mapping[str, Object]
    resources: Mapping[str, Object]
    outputs: Object
    rest: Object

    @classmethod
    def of(cls, said: JSON) -> Self:
        """Of HOT as data."""
        rest = dict(members(said))
        parameters, resources, outputs = (
            {name: members(one)
             for name, one in members(rest.pop(part, None)).items()}
            for part in ('parameters', 'resources', 'outputs'))
        return cls(parameters, resources, outputs, rest)

    def plain(self) -> dict[str, JSON]:
        """HOT as data."""
        found: dict[str, JSON] = dict(self.rest)
        if self.parameters:
            found['parameters'] = self.parameters
        found['resources'] = self.resources
        if self.outputs:
            found['outputs'] = self.outputs
        return found


def parse(text: str, name: str = 'template') -> Template:
    """HOT in its parts.

    :raises BlueprintInvalid: it is not HOT; tells *name* and line.
    """
    return Template.of(read(text, name).data)


def properties(resource: Object) -> Object:
    """What a resource is to be like."""
    return members(resource.get('properties'))


def read(text: str, name: str) -> Document:
    """HOT as data, with the line of everything in it.

    :raises BlueprintInvalid: it is not valid.
    """
    found = document.parse(text.encode(), pathlib.Path(name))
    findings = list(_shape(found))
    if findings:
        raise BlueprintInvalid(findings)
    return found


def _shape(found: Document) -> Iterator[Finding]:
    """What keeps a document from being HOT."""
    if not isinstance(found.data, dict) or not isinstance(
            found.data.get('resources'), dict):
        yield found.finding((), 'A HOT template has resources.')
        return
    for part in ('parameters', 'resources', 'outputs'):
        those = found.data.get(part, {})
        if not isinstance(those, dict):
            yield found.finding((part,), f'{part} has a line for each of '
                                         'them.')
            continue
        for name, said in those.items():
            if not isinstance(said, dict):
                yield found.finding((part, name), f'{name} says nothing.')
            elif part == 'resources':
                yield from _resource_shape(found, (part, name), said)


def _resource_shape(found: Document, path: Path, said: Object
                    ) -> Iterator[Finding]:
    if not isinstance(said.get('type'), str):
        yield found.finding(path, f'{path[-1]} has no type.')
    if not isinstance(said.get('properties') or {}, dict):
        yield found.finding((*path, 'properties'),
                            'properties have a name each.')
        return
    if not all(isinstance(one, str) for one in listed(
            said.get('depends_on'))):
        yield found.finding((*path, 'depends_on'),
                            'depends_on takes names of resources.')
    if said.get('type') == GROUP:
        single = properties(said).get('resource_def')
        if not isinstance(single, dict):
            yield found.finding((*path, 'properties'), f'{path[-1]} has no '
                                'resource_def.')
        else:
            yield from _resource_shape(
                found, (*path, 'properties', 'resource_def'), single)


def default(said: Object, value: JSON) -> JSON:
    """A parameter's value as ``get_param`` gives it.

    Heat takes lists and maps as text, too.
    """
    if isinstance(value, str) and said.get('type') == 'comma_delimited_list':
        return [one.strip() for one in value.split(',')] if value else []
    if isinstance(value, str) and said.get('type') == 'json':
        try:
            found: JSON = json.loads(value)
        except ValueError:  # Heat says so
            return value
        return found
    return value


# -- what is inside ---------------------------------------------------------


def references(item: JSON, path: Path = ()
               ) -> Iterator[tuple[Path, str, str]]:
    """Where something is named, by which word, and what.

    ``depends_on`` is found where *item* is a resource itself.
    """
    if isinstance(item, list):
        for number, one in enumerate(item):
            yield from references(one, (*path, number))
    elif isinstance(item, dict):
        word, name = named(item)
        if word:
            yield (*path, word), word, name
        for key, value in item.items():
            yield from references(value, (*path, key))


def named(item: Object) -> tuple[str, str]:
    """The word and the name of a call that names something, or nothing."""
    if len(item) == 1:
        (word, said), = item.items()
        if word in ('get_attr', 'get_param') and isinstance(said, list):
            said = next(iter(said), None)
        elif word == 'get_attr':
            said = None
        if word in ('get_resource', 'get_attr', 'get_param', 'get_file') \
                and isinstance(said, str):
            return word, said
    return '', ''


def listed(item: JSON) -> list[JSON]:
    """One or many as many."""
    if item is None:
        return []
    return list(item) if isinstance(item, (list, tuple)) else [item]


def in_strings(item: JSON, change: Callable[[str], str]) -> JSON:
    """With every text in it changed."""
    if isinstance(item, str):
        return change(item)
    if isinstance(item, list):
        return [in_strings(one, change) for one in item]
    if isinstance(item, dict):
        return {change(key): in_strings(value, change)
                for key, value in item.items()}
    return item


def texts(item: JSON) -> Iterator[str]:
    """Every text in it, keys among them."""
    if isinstance(item, str):
        yield item
    elif isinstance(item, list):
        for one in item:
            yield from texts(one)
    elif isinstance(item, dict):
        for key, value in item.items():
            yield key
            yield from texts(value)


def calls(item: JSON, change: Callable[[str, str, Object], JSON]) -> JSON:
    """With the calls that name something changed, the innermost first.

    :param change: word, name, call -> what to put there.
    """
    if isinstance(item, list):
        return [calls(one, change) for one in item]
    if not isinstance(item, dict):
        return item
    new = {key: calls(value, change) for key, value in item.items()}
    word, name = named(new)
    return change(word, name, new) if word else new


def with_values(item: JSON, values: Object) -> JSON:
    """With ``get_param`` of known parameters replaced by their values."""
    def value(word: str, name: str, call: Object) -> JSON:
        if word != 'get_param' or name not in values:
            return call
        found, well = followed(values[name], listed(call[word])[1:])
        # What Heat would say of it is better than what we could.
        return copy.deepcopy(found) if well else call

    return calls(item, value)


def followed(value: JSON, path: Sequence[JSON]) -> tuple[JSON, bool]:
    """What is at a path inside a value, and whether there is anything."""
    for number, step in enumerate(path):
        if isinstance(value, Mapping) and named(value)[0] == 'get_attr':
            return {'get_attr': [*listed(value['get_attr']),
                                 *path[number:]]}, True
        if isinstance(value, Mapping) and isinstance(step, str) \
                and step in value:
            value = value[step]
        elif isinstance(value, list) and str(step).isdigit() \
                and int(str(step)) < len(value):
            value = value[int(str(step))]
        else:
            return None, False
    return value, True


def renamed(resource: JSON, names: Mapping[str, str]) -> JSON:
    """A resource or a value whose resources go by new names."""
    def name(word: str, old: str, call: Object) -> JSON:
        if word == 'get_resource' and old in names:
            return {word: names[old]}
        if word == 'get_attr' and old in names:
            return {word: [names[old], *listed(call[word])[1:]]}
        return call

    return calls(resource, name)


def loosened(resource: Object, known: Collection[str]) -> Object:
    """A resource that no longer names resources that are not there."""
    def there(word: str, name: str, call: Object) -> JSON:
        return None if word in ('get_resource', 'get_attr') \
            and name not in known else call

    return depending(members(calls(resource, there)), lambda names: [
        name for name in names if name in known])


def depending(resource: Object, change: Callable[[list[str]], list[str]]
              ) -> Object:
    """A resource with other names in its ``depends_on``, if it has one."""
    if 'depends_on' not in resource:
        return resource
    return {**resource, 'depends_on': change(list(texts(
        resource['depends_on'])))}
