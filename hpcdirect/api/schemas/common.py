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

"""Pieces of schemas, and the small things views share."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import datetime
import functools
import operator
from typing import Any

from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import members

Schema = Object

NAME_PATTERN = '^[a-zA-Z][a-zA-Z0-9._-]{0,62}$'


#: A body that may have as many bytes as ``[api] max_body`` says.
LARGE = {'x-large': True}


def when(moment: datetime.datetime | None) -> str | None:
    """A time as the API shows it: ISO 8601, UTC."""
    return None if moment is None else (
        moment.isoformat(timespec='microseconds') + 'Z')


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of an entry, and what it takes to make it.

    :param make: is given the entry's row, and whatever goes with it.
    :param columns: of the row.
    :param around: what of other tables it shows, in words of its resource.
    """

    make: Callable[..., Any]
    columns: tuple[str, ...] = ()
    around: tuple[str, ...] = ()


def column(name: str) -> Field:
    """A field that shows a column as it is."""
    get = operator.attrgetter(name)
    return Field(lambda row, *given: get(row), (name,))


def moment(name: str) -> Field:
    """A field that shows a column with a time."""
    get = operator.attrgetter(name)
    return Field(lambda row, *given: when(get(row)), (name,))


class Fields:
    """The fields that an entry is shown with."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self._fields = dict(fields)
        self._makers = [(name, field.make) for name, field in fields.items()]
        self.columns = frozenset(name for field in fields.values()
                                 for name in field.columns)
        self.around = frozenset(name for field in fields.values()
                                for name in field.around)
        self.only = functools.lru_cache(maxsize=64)(self._only)

    def _only(self, names: str) -> Fields:
        """Those of some names, with commas between; '' for all."""
        asked = names.split(',')
        return self if not names else Fields({
            name: field for name, field in self._fields.items()
            if name in asked})

    def view(self, row: Any, *given: Any) -> Object:
        """An entry; *given* is what its fields need beside the row."""
        return {name: make(row, *given) for name, make in self._makers}


def text(description: str, **more: JSON) -> Schema:
    """A string."""
    return {'type': 'string', 'description': description, **more}


def number(description: str, **more: JSON) -> Schema:
    """A whole number."""
    return {'type': 'integer', 'description': description, **more}


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    kinds = schema['type']
    return {**schema, 'type': [kinds, 'null']}


def typical(description: str, seconds: str, count: str) -> Schema:
    """How the same went before; null when it never was.

    :param seconds: what takes them.
    :param count: what is counted.
    """
    return maybe(closed({
        'seconds': {'type': ['number', 'null'],
                    'description': f'{seconds}, the median; null when none '
                    'went well.'},
        'p90': {'type': ['number', 'null'],
                'description': 'Nine of ten took no longer.'},
        'count': number(f'{count} that are over.'),
        'succeeded': number('Those that went well at once.'),
    }, description=f'{description}, in all projects; null when there were '
       'none.'))


def words(description: str) -> Schema:
    """A list of strings."""
    return {'type': 'array', 'description': description,
            'items': {'type': 'string'}}


def anything(description: str) -> Schema:
    """An object whose keys are not ours to say."""
    return {'type': 'object', 'description': description}


def items(of: Schema, description: str) -> Schema:
    """A list of objects."""
    return {'type': 'array', 'description': description, 'items': of}


def properties(schema: Schema) -> Mapping[str, Schema]:
    """The schemas of an object's members, by name."""
    return {name: members(one)
            for name, one in members(schema['properties']).items()}


def closed(fields: Mapping[str, Schema],
           required: Iterable[str] | None = None, **more: JSON) -> Schema:
    """An object with these keys and no other; all required by default."""
    needed = list(fields if required is None else required)
    return {'type': 'object', 'properties': dict(fields),
            **({'required': needed} if needed else {}),
            'additionalProperties': False, **more}


#: Of an output of a blueprint, whatever its value.
OUTPUT: dict[str, Schema] = {
    'name': text('A word for it.'),
    'title': text('What it is, for people.'),
    'description': text('More of it; may be empty.'),
    'kind': text('What to do with it: open it, type it, read it.',
                 enum=['url', 'command', 'text']),
}

#: What a cloud lets a project have of one thing.
QUOTA: Mapping[str, Schema] = {
    'name': text('What is limited.'),
    'used': number('How much of it the project has.'),
    'limit': maybe(number(
        'How much it may have; null when there is no limit.')),
}

MOMENT = text('A time, ISO 8601, UTC, with microseconds.',
              format='date-time')
ID = text('A UUID.', maxLength=36)
#: Beside the id of a user.
USER_NAME = text('The name that user had then; "" when it was not kept.')

PROJECT_ID = text('Whose it is.')
#: What a list may be asked for that is of one project otherwise.
ALL_PROJECTS: dict[str, Schema] = {'all_projects': {
    'type': 'boolean', 'description': 'Every project\'s; for the operator.'}}

LINKS: Schema = items(closed({
    'rel': text('What it leads to: self, next, previous.'),
    'href': text('An absolute URL.'),
}), 'Where to go from here.')

_PAGE: Mapping[str, Schema] = {
    'limit': number('Entries on a page.', minimum=1, maximum=1000,
                    default=100),
    'marker': text('Id of the last entry of the page before.', minLength=1,
                   maxLength=36),
}


#: What a list may be asked for that can be read from its end, and counted.
BACKWARDS: Mapping[str, Schema] = {
    'page_reverse': {'type': 'boolean', 'description': 'The page before the '
                     'marker; without one, the last page.'},
    'with_count': {'type': 'boolean', 'description': 'Tell how many there '
                   'are on all pages.'},
}


#: Of a project, not of one of its clusters.
ALLOWED = closed({
    'create': text('Why no cluster may be made, a sentence; or "".')},
    description='What the caller may do here.')


def listed(name: str, entry: Schema, description: str,
           counted: bool = False, allowed: Schema | None = None) -> Schema:
    """The response to a list: entries may lack fields not asked for.

    :param counted: it can say how many there are.
    :param allowed: it tells what the caller may do beside.
    """
    partial = {key: value for key, value in entry.items()
               if key != 'required'}
    shown = {name: items(partial, description), 'links': LINKS,
             **({'allowed': allowed} if allowed else {})}
    more = {'count': number('On all pages; told with with_count.')} \
        if counted else {}
    return closed({**shown, **more}, shown)


MARKER = {'marker': text('Name of the last entry of the page before.',
                         minLength=1, maxLength=255)}


def query(entry: Schema, filters: Mapping[str, Schema],
          sortable: Iterable[str] = ()) -> Schema:
    """What the query of a list may hold.

    :param entry: the schema of one entry, for ``fields``.
    :param sortable: fields that ``sort`` takes.
    """
    asked = {**_PAGE, **filters, 'fields': text(
        'Names of the fields to show, with commas between.',
        pattern=sequence(properties(entry)))}
    keys = list(sortable)
    if keys:
        asked['sort'] = text(
            'Fields to sort by, each with :asc or :desc, with commas '
            'between.', pattern=sequence(keys, '(:(asc|desc))?'))
    return closed(asked, ())


def sequence(names: Iterable[str], ending: str = '') -> str:
    """The pattern of some of these names with commas between.

    :param ending: pattern of what may follow each.
    """
    one = f'({"|".join(names)}){ending}'
    return f'^{one}(,{one}){{0,40}}$'
