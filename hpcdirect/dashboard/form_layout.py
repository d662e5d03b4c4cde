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

"""How the form for a schema looks: sections, and the fields of each.

::

    sections(schema, data) ->  the form to draw, of what a browser sent

What stands in a field is what was sent of it, to the letter
(:mod:`hpcdirect.dashboard.schema_forms`); ``x-group``, ``x-order`` and
``x-advanced`` of the schema say where it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
from typing import Any

from django.utils.translation import gettext as _

from hpcdirect.client.choices import SOURCES
from hpcdirect.dashboard.schema_forms import MOST_ROWS
from hpcdirect.dashboard.schema_forms import ROWS
from hpcdirect.dashboard.schema_forms import Data
from hpcdirect.dashboard.schema_forms import JsonSchema
from hpcdirect.dashboard.schema_forms import canonical
from hpcdirect.dashboard.schema_forms import choices
from hpcdirect.dashboard.schema_forms import properties
from hpcdirect.dashboard.schema_forms import row_numbers
from hpcdirect.dashboard.schema_forms import sent
from hpcdirect.dashboard.schema_forms import typed


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of several values: what is sent of it, and what is shown."""

    text: str
    label: str
    chosen: bool


@dataclasses.dataclass(frozen=True)
class Field:
    """One thing that a form asks for.

    :ivar path: such as ``users.0.name``; names the place of an error.
    :ivar kind: line, text, secret, number, flag, choice, lines, json, rows.
    :ivar text: what stands in it, as it was typed.
    :ivar bounds: attributes for the browser, such as ``min``.
    :ivar source: what the cloud offers for it, such as ``images``.
    :ivar rows: of a table: its rows, each with its fields.
    :ivar blank: of a table: the fields of a row to be added; ``__row__``
        stands for its number.
    """

    path: str
    kind: str
    title: str
    help: str = ''
    advanced: bool = False
    required: bool = False
    text: str = ''
    error: str = ''
    bounds: Mapping[str, str] = dataclasses.field(default_factory=dict)
    source: str = ''
    choices: tuple[Choice, ...] = ()
    rows: tuple[tuple[Field, ...], ...] = ()
    blank: tuple[Field, ...] = ()

    @property
    def name(self) -> str:
        """Its name in the form."""
        return f'{self.path}:{self.kind}'

    @property
    def wrong(self) -> bool:
        """Whether it, or anything in it, has an error."""
        return bool(self.error) or any(
            field.wrong for row in self.rows for field in row)


@dataclasses.dataclass(frozen=True)
class Section:
    """Fields that belong together.

    :ivar advanced: those that few people need.
    :ivar opened: whether one of these has an error.
    """

    title: str
    fields: tuple[Field, ...]
    advanced: tuple[Field, ...]

    @property
    def opened(self) -> bool:
        return any(field.wrong for field in self.advanced)


def sections(schema: JsonSchema, data: Data, errors: Mapping[str, str] | None
             = None) -> list[Section]:
    """The form to draw.

    :param data: what stands in it; see :func:`schema_forms.typed`.
    :param errors: field, without its kind -> what is wrong.
    """
    required = schema.get('required')
    fields = [(str(inner.get('x-group', '')), _field(
        inner, name, data, errors or {},
        isinstance(required, list) and name in required))
        for name, inner in _in_order(properties(schema))]
    groups = dict.fromkeys(group for group, field in fields)
    return [Section(
        group,
        tuple(field for of, field in fields
              if of == group and not field.advanced),
        tuple(field for of, field in fields
              if of == group and field.advanced)) for group in groups]


def _in_order(properties: Mapping[str, JsonSchema]
              ) -> Iterator[tuple[str, JsonSchema]]:
    """By group, in the order of their first members, and within each."""
    def place(inner: JsonSchema) -> float:
        order = inner.get('x-order')
        return float(order) if isinstance(order, (int, float)) \
            else float('inf')

    groups: dict[str, list[tuple[str, JsonSchema]]] = {}
    for name, inner in properties.items():
        groups.setdefault(str(inner.get('x-group', '')), []).append(
            (name, inner))
    for members in groups.values():
        yield from sorted(members, key=lambda one: place(one[1]))


def _field(schema: JsonSchema, path: str, data: Data,
           errors: Mapping[str, str], required: bool) -> Field:
    kind, text = sent(schema, path, data)
    return Field(
        path, kind, str(schema.get('title', path.rpartition('.')[2])),
        str(schema.get('description', '')), schema.get('x-advanced') is True,
        required and 'default' not in schema,
        '' if kind == 'secret' else text, errors.get(path, ''),
        _bounds(schema), _source(schema, kind),
        tuple(Choice(canonical(value), _label(value),
                     canonical(value) == text)
              for value in choices(schema)) if kind == 'choice' else (),
        tuple(_row(schema, f'{path}.{number}', data, errors)
              for number in row_numbers(path, data)[:MOST_ROWS])
        if kind == ROWS else (),
        _blank(schema, f'{path}.__row__') if kind == ROWS else ())


def _row(schema: JsonSchema, path: str, data: Data, errors: Mapping[str, str]
         ) -> tuple[Field, ...]:
    return tuple(_field(cell, f'{path}.{name}', data, errors, False)
                 for name, cell in _in_order(properties(schema['items'])))


def _blank(schema: JsonSchema, path: str) -> tuple[Field, ...]:
    """A row that nobody wrote anything in."""
    return _row(schema, path, {
        f'{path}.{name}': text
        for name, text in typed(schema['items'], {}).items()}, {})


def _source(schema: JsonSchema, kind: str) -> str:
    """What the cloud offers for a field; '' where nothing could be chosen."""
    found = schema.get('x-source')
    return found if kind in ('line', 'lines') and isinstance(found, str) \
        and found in SOURCES else ''


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return str(_('yes') if value else _('no'))
    return str(value) if isinstance(value, str) else canonical(value)


def _bounds(schema: JsonSchema) -> dict[str, str]:
    """What a browser may say at once; the service says it again."""
    found = {attribute: canonical(schema[word])
             for attribute, word in (('min', 'minimum'), ('max', 'maximum'),
                                     ('minlength', 'minLength'),
                                     ('maxlength', 'maxLength'))
             if isinstance(schema.get(word), (int, float))
             and not isinstance(schema[word], bool)}
    if schema.get('type') == 'number':
        found['step'] = 'any'
    return found
