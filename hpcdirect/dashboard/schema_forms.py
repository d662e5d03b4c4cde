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

"""A form for any JSON Schema that a blueprint may have.

::

    typed(schema, values)  ->  what a browser would send of a form that shows
                               the values
    read(schema, data)     ->  the values, of what a browser sent

:mod:`hpcdirect.dashboard.form_layout` draws the form of what a browser sent,
too. So a form that is shown anew after an error shows what was typed, to the
letter. Nothing is judged here but what cannot be read at all: whether values
are right is said by the service, which is asked with a plan of them before
anything happens, and :class:`Reading` knows which field its findings mean.

A field is of the plainest kind that can hold its value; what none can hold is
shown as JSON. Its kind is a part of its name, as in ``users.0.name:line``, so
that what was sent can be read without what was shown.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import json
import re
from typing import Any

from django.utils.translation import gettext as _

JsonSchema = Mapping[str, Any]
#: What a browser sends: field -> text.
Data = Mapping[str, str]

#: Rows of a table, and letters of a number, that are read; more are refused.
MOST_ROWS, _MOST_DIGITS = 10_000, 1000
_PLAIN_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_-]{0,80}')
_NUMBER = re.compile(r'-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?')


class _Absent:
    """What a field holds that was left empty."""

    def __repr__(self) -> str:
        return 'ABSENT'


ABSENT = _Absent()


class _Unreadable(ValueError):
    """What was typed is not of a field's kind; says why."""


def canonical(value: Any) -> str:
    """JSON that two values share only when they are the same."""
    return json.dumps(value, sort_keys=True)


# -- kinds of fields --------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Kind:
    """How a value becomes text, and text a value.

    :param show: the text; '' stands for nothing.
    :param read: the value of a text that is not empty.
    :raises _Unreadable: by ``read``; it is not of this kind.
    :param empty: the value of an empty field whose schema has a default;
        whoever empties such a field means that.
    """

    show: Callable[[Any], str]
    read: Callable[[JsonSchema, str], Any]
    empty: Any = ABSENT


def _read_number(_schema: JsonSchema, text: str) -> int | float:
    text = text.strip()
    if not _NUMBER.fullmatch(text) or len(text) > _MOST_DIGITS:
        raise _Unreadable(_('This is not a number.'))
    found: int | float = json.loads(re.sub(r'^(-?)0+(?=[0-9])', r'\1', text))
    if isinstance(found, float) and abs(found) == float('inf'):
        raise _Unreadable(_('This number is too large.'))
    return found


def _read_choice(schema: JsonSchema, text: str) -> Any:
    for value in choices(schema):
        if canonical(value) == text:
            return value
    raise _Unreadable(_('This is not one of the choices.'))


def _read_json(_schema: JsonSchema, text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_json)
    except RecursionError:
        raise _Unreadable(_('This is nested too deeply.')) from None
    except json.JSONDecodeError as exc:
        raise _Unreadable(_(
            'This is not JSON: line %(line)d, column %(column)d: %(what)s.'
        ) % {'line': exc.lineno, 'column': exc.colno, 'what': exc.msg}
        ) from None
    except ValueError as exc:
        # A number of more digits than Python reads.
        raise _Unreadable(_('This is not JSON: %s.') % exc) from None


def _no_json(name: str) -> None:
    raise _Unreadable(_('This is not JSON: %s.') % name)


def _as_typed(_schema: JsonSchema, text: str) -> str:
    return text


def _lines(_schema: JsonSchema, text: str) -> list[str]:
    return [line.rstrip() for line in text.split('\n') if line.strip()]


_KINDS = {
    'line': _Kind(str, _as_typed, ''),
    'text': _Kind(str, _as_typed, ''),
    # What is secret is never shown, to nobody.
    'secret': _Kind(lambda value: '', _as_typed),
    'number': _Kind(canonical, _read_number),
    'flag': _Kind(canonical, lambda schema, text: text == 'true'),
    'choice': _Kind(canonical, _read_choice),
    'lines': _Kind('\n'.join, _lines, ()),
    'json': _Kind(lambda value: json.dumps(value, indent=2), _read_json),
}
#: A table: a row for each object of a list, a field for each property.
ROWS = 'rows'


def kind_of(schema: JsonSchema) -> str:
    """The plainest kind for what a schema describes."""
    if not isinstance(schema, Mapping):
        return 'json'
    kind = schema.get('type')
    if choices(schema):
        return 'flag' if kind == 'boolean' and isinstance(
            schema.get('default'), bool) and 'enum' not in schema \
            else 'choice'
    if kind in ('integer', 'number'):
        return 'number'
    if kind == 'string':
        return 'secret' if schema.get('x-secret') is True else 'line'
    items = schema.get('items')
    if kind == 'array' and isinstance(items, Mapping):
        if items.get('type') == 'string':
            return 'lines'
        if items.get('type') == 'object' and properties(items) and all(
                _PLAIN_NAME.fullmatch(name) for name in properties(items)):
            return ROWS
    return 'json'


def choices(schema: JsonSchema) -> list[Any]:
    """The values that alone are right; [] when there are no such."""
    found = schema.get('enum')
    if isinstance(found, list):
        return found
    return [True, False] if schema.get('type') == 'boolean' else []


def properties(schema: JsonSchema) -> dict[str, JsonSchema]:
    """What an object has: property -> its schema."""
    found = schema.get('properties')
    return {name: inner if isinstance(inner, Mapping) else {}
            for name, inner in found.items()
            } if isinstance(found, Mapping) else {}


# -- values -> what a browser would send ------------------------------------


def typed(schema: JsonSchema, values: Mapping[str, Any]) -> dict[str, str]:
    """What a browser would send of a form that shows these values.

    :param values: property -> value; the default stands for what is not
        there, and a secret is never shown.
    """
    data: dict[str, str] = {}
    for name, inner in properties(schema).items():
        data |= _typed(inner, name, values.get(
            name, inner.get('default', ABSENT)))
    return data


def _typed(schema: JsonSchema, path: str, value: Any) -> dict[str, str]:
    kind = kind_of(schema)
    if value is ABSENT:
        return {f'{path}:{kind}': ''}
    if kind == 'line' and isinstance(value, str) and '\n' in value:
        kind = 'text'
    try:
        data = _typed_rows(schema, path, value) if kind == ROWS else {
            f'{path}:{kind}': _KINDS[kind].show(value)}
    except (TypeError, AttributeError):
        data = {}
    if (data and kind == 'secret') or _holds(schema, path, data, value):
        return data
    return {f'{path}:json': _KINDS['json'].show(value)}


def _typed_rows(schema: JsonSchema, path: str, rows: list[Mapping[str, Any]]
                ) -> dict[str, str]:
    inner = properties(schema['items'])
    data = {f'{path}:{ROWS}': ''}
    for number, row in enumerate(rows):
        for name, cell in inner.items():
            data |= _typed(cell, f'{path}.{number}.{name}',
                           row.get(name, cell.get('default', ABSENT)))
    return data


def _holds(schema: JsonSchema, path: str, data: Data, value: Any) -> bool:
    """Whether a browser would send back just what is shown."""
    if any('\r' in text or '\0' in text or not _is_text(text)
           for text in data.values()):
        return False
    reading = Reading({}, {}, {})
    found = _read(schema, path, data, reading, (path,))
    return not reading.errors and found is not ABSENT and canonical(
        _lean(schema, found)) == canonical(_lean(schema, value))


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _lean(schema: JsonSchema, value: Any) -> Any:
    """A table without the cells that are as they are by default."""
    if kind_of(schema) != ROWS or not isinstance(value, list):
        return value
    cells = properties(schema['items'])
    return [{name: cell for name, cell in row.items()
             if not _is_default(cells.get(name, {}), cell)}
            if isinstance(row, Mapping) else row for row in value]


def _is_default(schema: JsonSchema, value: Any) -> bool:
    return 'default' in schema and canonical(value) == canonical(
        schema['default'])


# -- what a browser sent -> values ------------------------------------------


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a form says.

    :ivar values: property -> value, of those that are not as by default.
    :ivar errors: field, without its kind -> what is wrong.
    :ivar places: path of a value, as in findings -> its field.
    """

    values: dict[str, Any]
    errors: dict[str, str]
    places: dict[tuple[str | int, ...], str]

    def field(self, where: str) -> str:
        """The field that a finding of the service means.

        :param where: such as ``$.parameters.users[0].name``.
        :returns: its name without the kind; '' when none is meant.
        """
        path = tuple(int(number) if number else name for name, number
                     in re.findall(r'\.([^.\[\]]+)|\[(\d+)\]', where))
        # Of a cluster's own values, "parameters" is the root.
        if 'parameters' in path:
            path = path[path.index('parameters') + 1:]
        while path:
            if path in self.places:
                return self.places[path]
            path = path[:-1]
        return ''


def received(data: Data) -> dict[str, str]:
    """What a browser sent: it ends lines as HTTP does, people as Unix."""
    return {name: re.sub('\r\n?', '\n', value)
            for name, value in data.items()}


def read(schema: JsonSchema, data: Data) -> Reading:
    """The values of what a browser sent.

    :param data: of fields that are not in it nothing is said.
    """
    reading = Reading({}, {}, {})
    for name, inner in properties(schema).items():
        value = _read(inner, name, data, reading, (name,))
        if value is not ABSENT and not _is_default(inner, value):
            reading.values[name] = value
    return reading


def _read(schema: JsonSchema, path: str, data: Data, reading: Reading,
          place: tuple[str | int, ...]) -> Any:
    reading.places[place] = path
    for name, kind in _KINDS.items():
        text = data.get(f'{path}:{name}')
        if text is None:
            continue
        # Browsers end lines in two letters.
        text = text.replace('\r\n', '\n')
        if not text:
            return _empty(kind) if 'default' in schema else ABSENT
        try:
            return kind.read(schema, text)
        except _Unreadable as exc:
            reading.errors[path] = str(exc)
            return ABSENT
    if f'{path}:{ROWS}' in data:
        rows = _read_rows(schema, path, data, reading, place)
        return rows if rows or 'default' in schema else ABSENT
    return ABSENT


def _empty(kind: _Kind) -> Any:
    return list(kind.empty) if isinstance(kind.empty, tuple) else kind.empty


def _read_rows(schema: JsonSchema, path: str, data: Data, reading: Reading,
               place: tuple[str | int, ...]) -> list[dict[str, Any]]:
    numbers = row_numbers(path, data)
    if len(numbers) > MOST_ROWS:
        reading.errors[path] = _('These are more than %d rows.') % MOST_ROWS
        return []
    rows: list[dict[str, Any]] = []
    for number in numbers:
        row = {}
        wrong = len(reading.errors)
        for name, cell in properties(schema['items']).items():
            value = _read(cell, f'{path}.{number}.{name}', data, reading,
                          (*place, len(rows), name))
            if value is not ABSENT and not _is_default(cell, value):
                row[name] = value
        # A row that nobody wrote anything in is none.
        if row or len(reading.errors) > wrong:
            rows.append(row)
    return rows


def row_numbers(path: str, data: Iterable[str]) -> list[int]:
    """Which rows of a table were sent."""
    pattern = re.compile(re.escape(path) + r'\.([0-9]{1,9})\.[^.]*')
    return sorted({int(found[1]) for found in map(pattern.fullmatch, data)
                   if found})


def sent(schema: JsonSchema, path: str, data: Data) -> tuple[str, str]:
    """As what kind a field was sent, and what stands in it.

    :param path: the field's name without its kind.
    :returns: the plainest kind, and '', when it was not sent.
    """
    return next(((kind, data[f'{path}:{kind}']) for kind in (*_KINDS, ROWS)
                 if f'{path}:{kind}' in data), (kind_of(schema), ''))
