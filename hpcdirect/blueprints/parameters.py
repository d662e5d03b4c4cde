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

"""Values of parameters: defaults, wires, what is secret, what is told."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import copy
import dataclasses
import re
import shlex
import string
from typing import TYPE_CHECKING
from typing import TypeGuard
import urllib.parse

from hpcdirect.digests import is_sealed
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object

if TYPE_CHECKING:  # it has a mask from here
    from hpcdirect.blueprints.model import Output

#: In the place of a secret.
HIDDEN = '******'
#: Shorter secrets could not be told from ordinary words in a log.
SHORTEST = 8



def properties(schema: JSON) -> Object:
    """What a schema says of each member of an object, by name."""
    found = schema.get('properties') if isinstance(schema, Mapping) else None
    return found if isinstance(found, Mapping) else {}


# -- defaults ---------------------------------------------------------------

def fill(schema: Object, given: Object) -> dict[str, JSON]:
    """A copy of *given* with the schema's defaults where it says nothing."""
    properties = schema.get('properties')
    if not isinstance(properties, Mapping):
        return copy.deepcopy(dict(given))
    values = {name: filled(properties.get(name), value)
              for name, value in given.items()}
    for name, inner in properties.items():
        if name not in values and isinstance(inner, Mapping) \
                and 'default' in inner:
            values[name] = filled(inner, inner['default'])
    return values


def filled(schema: JSON, value: JSON) -> JSON:
    """The same of any value."""
    if isinstance(schema, Mapping):
        if isinstance(value, Mapping):
            return fill(schema, value)
        items = schema.get('items')
        if isinstance(value, list) and isinstance(items, Mapping):
            return [filled(items, item) for item in value]
    return copy.deepcopy(value)


# -- wires ------------------------------------------------------------------

def is_wire(value: JSON) -> TypeGuard[Mapping[str, str]]:
    """Whether a value is ``{parameter: X}`` or ``{output: ELEMENT.X}``."""
    return (isinstance(value, Mapping) and len(value) == 1
            and next(iter(value)) in ('parameter', 'output')
            and isinstance(next(iter(value.values())), str))


def resolve(values: Object, parameters: Object, outputs: Object
            ) -> dict[str, JSON]:
    """The values with every wire in them, at any depth, replaced.

    A wire to something that has no value (an optional parameter that was
    not given, an output of an element that is switched off) is left out of
    the mapping or list it stands in, so that the default holds.

    :param outputs: ``ELEMENT.NAME`` -> value.
    """
    return {name: resolved(value, parameters, outputs)
            for name, value in values.items()
            if not _is_loose(value, parameters, outputs)}


def resolved(value: JSON, parameters: Object, outputs: Object) -> JSON:
    """The same of any value; None for a wire that ends nowhere."""
    if is_wire(value):
        (kind, name), = value.items()
        return copy.deepcopy((parameters if kind == 'parameter'
                              else outputs).get(name))
    if isinstance(value, Mapping):
        return resolve(value, parameters, outputs)
    if isinstance(value, (list, tuple)):
        return [resolved(item, parameters, outputs) for item in value
                if not _is_loose(item, parameters, outputs)]
    return value


def _is_loose(value: JSON, parameters: Object, outputs: Object) -> bool:
    """Whether it is a wire to something that has no value."""
    if not is_wire(value):
        return False
    (kind, name), = value.items()
    return name not in (parameters if kind == 'parameter' else outputs)


# -- what is secret ---------------------------------------------------------

def is_secret(schema: JSON) -> bool:
    """Whether a schema says ``x-secret``, or has the format ``password``."""
    return isinstance(schema, Mapping) and bool(
        schema.get('x-secret') or schema.get('format') == 'password')


def hidden(schema: JSON, value: JSON) -> JSON:
    """The value, with :data:`HIDDEN` for what is secret in it.

    That is what its schema marks, and whatever is sealed, at any depth of
    objects and lists.
    """
    return _masked(value, _Marks.of(schema))


class Mask:
    """Hides what one schema marks; looks through the schema only once."""

    def __init__(self, schema: JSON) -> None:
        self._marks = _Marks.of(schema)

    def hide(self, values: Object) -> dict[str, JSON]:
        """Values with :data:`HIDDEN` for what is secret in them."""
        return _shown(values, self._marks or _NO_MARKS)


@dataclasses.dataclass(frozen=True)
class _Marks:
    """Where a schema marks something; None where it marks nothing.

    :param whole: all that is in this place.
    :param names: in an object, by name.
    :param others: in an object, under any other name.
    :param items: in every entry of a list.
    """

    whole: bool = False
    names: Mapping[str, _Marks | None] = dataclasses.field(
        default_factory=dict)
    others: _Marks | None = None
    items: _Marks | None = None

    @classmethod
    def of(cls, schema: JSON) -> _Marks | None:
        """What a schema marks, at any depth."""
        if not isinstance(schema, Mapping):
            return None
        if is_secret(schema):
            return cls(whole=True, others=cls(whole=True))
        names = {name: cls.of(inner) for name, inner
                 in properties(schema).items()}
        others = cls.of(schema.get('additionalProperties'))
        items = cls.of(schema.get('items'))
        if others is None and items is None and not any(names.values()):
            return None
        return cls(False, names, others, items)


def _masked(value: JSON, marks: _Marks | None) -> JSON:
    if marks and marks.whole and value not in (None, ''):
        return HIDDEN
    # Most values are; to tell what a Mapping is takes ten times as long.
    if isinstance(value, _PLAIN):
        return value
    if is_sealed(value):
        return HIDDEN
    if isinstance(value, Mapping):
        return _shown(value, marks or _NO_MARKS)
    if isinstance(value, (list, tuple)):
        items = marks.items if marks else None
        return [_masked(inner, items) for inner in value]
    return value


def _shown(values: Object, marks: _Marks) -> dict[str, JSON]:
    return {name: _masked(inner, marks.names.get(name, marks.others))
            for name, inner in values.items()}


_NO_MARKS = _Marks()
_PLAIN = (str, int, float, type(None))


def replaced(schema: JSON, value: JSON, change: Callable[[JSON], JSON]
             ) -> JSON:
    """The value, with everything in it changed that its schema marks secret.

    What is sealed, and what is empty, stays as it is.
    """
    if is_sealed(value) or not isinstance(schema, Mapping):
        return value
    if is_secret(schema):
        return change(value) if value not in (None, '') else value
    if isinstance(value, Mapping):
        known, others = properties(schema), schema.get(
            'additionalProperties')
        return {name: replaced(known.get(name, others), inner, change)
                for name, inner in value.items()}
    if isinstance(value, list):
        return [replaced(schema.get('items'), inner, change)
                for inner in value]
    return value


def secrets(schema: JSON, value: JSON) -> Iterator[str]:
    """The texts in a value that its schema marks secret."""
    found: list[JSON] = []
    replaced(schema, value, found.append)
    for one in found:
        yield from _texts(one)


def _texts(value: JSON) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str) and value:
        yield value


# -- what a cluster offers people -------------------------------------------

#: Of a kind: what makes a value safe there, whatever it holds.
_FILLED: Mapping[str, Callable[[str], str]] = {
    'url': lambda value: urllib.parse.quote(value, safe=':[]._~-'),
    'command': shlex.quote, 'text': str}
#: A scheme that a browser runs nothing for, and a place.
_URL = re.compile(r'https?://[^\s/]')


def faults(output: Output) -> Iterator[str]:
    """What is wrong with an output by itself, a sentence each."""
    template = string.Template(output.value)
    if not template.is_valid():
        yield ('A "$" stands before what is not a name; write "$$" for a '
               'dollar.')
        return
    named = template.get_identifiers()
    for name in named:
        if name not in output.wires:
            yield f'"with" does not say what ${name} is.'
    for name in output.wires:
        if name not in named:
            yield f'There is no ${name} in it, which "with" names.'
    if output.kind == 'url' and not _URL.match(output.value):
        yield 'A url begins with http:// or https://.'
    if output.kind == 'command' and '\n' in output.value.strip():
        yield 'A command is one line.'


def told(outputs: Iterable[Output], given: Object, known: Object
         ) -> list[dict[str, str]]:
    """Those outputs that have a value now, with it.

    :param given: the cluster's parameters.
    :param known: ``ELEMENT.NAME`` -> value, of elements that are on.
    """
    found = []
    for one in outputs:
        values = {name: resolved(wire, given, known)
                  for name, wire in one.wires.items()}
        if None in values.values() or (
                one.when and not resolved(one.when, given, known)):
            continue
        safe = _FILLED[one.kind]
        found.append({
            'name': one.name, 'title': one.title, 'kind': one.kind,
            'description': one.description,
            'value': string.Template(one.value).substitute({
                name: safe(str(value)) for name, value in values.items()
            }).strip()})
    return found
