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

"""What a JSON Schema finds wrong, said so that a scientist understands."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Set
from collections.abc import Sized
import difflib
import functools
import itertools
import json
import re
from typing import Any
import zoneinfo

import jsonschema
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
import referencing

from hpcdirect import digests
from hpcdirect import sshkeys
from hpcdirect.blueprints import parameters
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object

_TYPES = {
    'integer': 'a whole number', 'number': 'a number', 'string': 'text',
    'boolean': 'true or false', 'array': 'a list', 'object': 'a mapping',
    'null': 'empty',
}

#: keyword -> sentence about the value {value} and what the schema says.
_SENTENCES = {
    'minimum': 'is {value}; the least is {limit}',
    'maximum': 'is {value}; the most is {limit}',
    'exclusiveMinimum': 'is {value}; it must be more than {limit}',
    'exclusiveMaximum': 'is {value}; it must be less than {limit}',
    'multipleOf': 'is {value}; it must be a multiple of {limit}',
    'minLength': 'is {value}; the least is {limit} characters',
    'maxLength': 'is too long; the most is {limit} characters',
    'minItems': 'has {count} entries; the least is {limit}',
    'maxItems': 'has {count} entries; the most is {limit}',
    'uniqueItems': 'has the same entry twice',
    'pattern': 'is {value}, which does not match {limit}',
    'format': 'is {value}, which is not {limit}',
    'const': 'is {value}; it must be {limit}',
    'minProperties': 'has {count} entries; the least is {limit}',
    'not': 'cannot be given here',
    'maxProperties': 'has {count} entries; the most is {limit}',
    'contains': 'has no entry of the kind that must be there',
    'minContains': 'has too few entries of the kind that must be there',
    'maxContains': 'has too many entries of one kind',
    'prefixItems': 'has more entries than there may be',
    'items': 'has more entries than there may be',
    'additionalProperties': 'has a member that is not known here',
    'unevaluatedProperties': 'has a member that is not known here',
    'unevaluatedItems': 'has an entry that is not known here',
    'oneOf': 'fits several of the alternatives; it must fit one of them',
    'anyOf': 'fits none of the alternatives',
    'if': 'does not go with the rest', 'then': 'does not go with the rest',
    'else': 'does not go with the rest',
}
#: What a format that is our own is called in a sentence.
_FORMATS = {'time-zone': 'a time zone of the tz database, such as '
                         'Europe/Berlin'}

_MORE = 'has more entries that are wrong'

Found = tuple[tuple[str | int, ...], str]

#: Findings of one value that are told; nobody reads more.
MOST = 100
#: Of them, from the entries of one list or mapping.
_MOST_EACH = 50
#: What is told of alternatives that all do not fit.
_CHOICES = 4
#: No name that is meant is longer.
_LONGEST = 255


def similar(name: str, known: Iterable[str]) -> str:
    """``; did you mean "x"?`` or, without a likely one, what there is."""
    names = sorted(known)
    close = [] if len(name) > _LONGEST else difflib.get_close_matches(
        name, names, 1, 0.6)
    if close:
        return f'; did you mean "{close[0]}"?'
    if not names:
        return ''
    rest = f' and {len(names) - 12} more' if len(names) > 12 else ''
    return f'; there is: {", ".join(names[:12])}{rest}'


def _pattern(checker: object, pattern: str, instance: JSON, schema: Object
             ) -> Iterator[ValidationError]:
    """As JSON Schema means it: Python's $ also stands before a newline."""
    strict = re.sub(r'\$\Z', r'\\Z', pattern)
    if isinstance(instance, str) and not re.search(strict, instance):
        yield ValidationError(f'{instance!r} does not match {pattern!r}')


def _unique(checker: object, wanted: JSON, instance: JSON, schema: Object
            ) -> Iterator[ValidationError]:
    """In one pass: the library compares each entry with each other one."""
    if not wanted or not isinstance(instance, list) or _too_many(
            instance, schema, 'maxItems'):
        return
    if len({json.dumps(item, sort_keys=True, default=str)
            for item in instance}) < len(instance):
        yield ValidationError('has the same entry twice')


def _too_many(entries: Sized, schema: Object, limit: str) -> bool:
    most = schema.get(limit)
    return isinstance(most, (int, float)) and len(entries) > most


#: Checks one keyword: validator, what the schema says there, value, schema.
_Keyword = Callable[[object, JSON, JSON, Object], Iterator[ValidationError]]


def _bounded(keyword: str, limit: str) -> _Keyword:
    """A keyword about entries; says nothing when there are too many."""
    check: _Keyword = jsonschema.Draft202012Validator.VALIDATORS[keyword]

    def bounded(checker: object, said: JSON, instance: JSON, schema: Object
                ) -> Iterator[ValidationError]:
        if isinstance(instance, (list, dict)) and _too_many(
                instance, schema, limit):
            return
        for number, error in enumerate(check(checker, said, instance,
                                             schema)):
            if number == _MOST_EACH:
                yield ValidationError(_MORE)
                return
            yield error
    return bounded


_extend: Any = jsonschema.validators.extend
_Checker = _extend(jsonschema.Draft202012Validator, {
    'pattern': _pattern, 'uniqueItems': _unique,
    'items': _bounded('items', 'maxItems'),
    'additionalProperties': _bounded('additionalProperties',
                                     'maxProperties'),
    'propertyNames': _bounded('propertyNames', 'maxProperties')})


_FORMAT_CHECKER = jsonschema.FormatChecker()


@_FORMAT_CHECKER.checks('time-zone')
def _is_time_zone(value: object) -> bool:
    """Whether the tz database knows it: a node's image has the same one."""
    known = _time_zones()  # none where there is no such database
    return not isinstance(value, str) or not known or value in known


@functools.cache
def _time_zones() -> Set[str]:
    return zoneinfo.available_timezones()


def validator(schema: Object) -> Validator:
    """A validator that knows formats and never fetches a ``$ref``."""
    made: Validator = _Checker(
        dict(schema), registry=referencing.Registry(),
        format_checker=_FORMAT_CHECKER)
    return made


def findings(schema: Object, value: JSON) -> Iterator[Found]:
    """Everything that is wrong with *value*: its path, and a sentence."""
    yield from _all(validator(schema), value)


def of_schema(schema: JSON) -> Iterator[Found]:
    """Why something is not a JSON Schema."""
    yield from _all(jsonschema.Draft202012Validator(
        jsonschema.Draft202012Validator.META_SCHEMA), schema)


def _all(checker: Validator, value: JSON) -> Iterator[Found]:
    errors = sorted(itertools.islice(checker.iter_errors(value), MOST + 1),
                    key=lambda error: [str(part) for part in
                                       error.absolute_path])
    # What is in the box was looked at when it was given.
    yield from first(found for error in errors
                     if not digests.is_sealed(error.instance)
                     for found in explain(error))


def place(path: Iterable[str | int], root: str = '$.parameters') -> str:
    """A JSON path as it stands in findings."""
    return root + ''.join(f'[{part}]' if isinstance(part, int)
                          else f'.{part}' for part in path)


def first(findings: Iterable[Found]) -> Iterator[Found]:
    """As many findings as are told, and a word when there are more."""
    for number, found in enumerate(findings):
        if number == MOST:
            yield (), f'more is wrong; this is the first {MOST}'
            return
        yield found


def explain(error: ValidationError) -> Iterator[Found]:
    """One error of a validator, as one or more findings."""
    path = tuple(error.absolute_path)
    instance: Any = error.instance
    schema: Any = error.schema
    limit: Any = error.validator_value
    if error.message == _MORE:
        yield path, _MORE
    elif error.validator == 'additionalProperties' and isinstance(
            instance, dict) and limit is False:
        known = schema.get('properties', {})
        for name in instance:
            if name not in known and not _matches(name, schema):
                yield (*path, name), ('is not known here'
                                      + similar(name, known))
    elif error.validator == 'required':
        name = next(name for name in limit
                    if error.message.startswith(repr(name)))
        yield (*path, name), 'is required'
    elif error.validator == 'dependentRequired':
        for name in sorted({name for given, needed in limit.items()
                            if given in instance for name in needed}
                           - set(instance)):
            yield (*path, name), 'is required with the rest'
    elif 'propertyNames' in error.absolute_schema_path:
        yield (*path, str(instance)), 'is not a name that can be given here'
    elif error.validator in ('anyOf', 'oneOf') and error.context:
        yield path, _choice(error)
    else:
        yield path, _sentence(error)


def _matches(name: str, schema: Object) -> bool:
    patterns: Object = {'type': 'object', 'additionalProperties': False,
                'patternProperties': schema.get('patternProperties', {})}
    unknown = {'additionalProperties'}
    return not any(error.validator in unknown for error in
                   validator(patterns).iter_errors({name: None}))


def _sentence(error: ValidationError) -> str:
    """What one keyword says; the schema's own words where it has some."""
    instance: Any = error.instance
    keyword = str(error.validator)
    limit: Any = error.validator_value
    schema: Any = error.schema
    if keyword == 'type':
        kinds = [limit] if isinstance(limit, str) else limit
        wanted = ' or '.join(_TYPES.get(kind, kind) for kind in kinds)
        hint = ('; put it in quotes' if 'string' in kinds and isinstance(
            instance, (int, float)) else '')
        return f'is {_shown(instance, schema)}; it must be {wanted}{hint}'
    if keyword == 'enum':
        names = [str(item) for item in limit]
        return (f'is {_shown(instance, schema)}'
                + similar(str(instance), names))
    if keyword == 'format':
        limit = _FORMATS.get(limit, f'of the format {limit}')
    # "False" as a schema has no keyword.
    template = _SENTENCES.get(keyword, 'cannot be given here')
    count = len(instance) if isinstance(instance, (list, dict)) else 0
    said = template.format(value=_shown(instance, schema), limit=limit,
                           count=count)
    if keyword == 'pattern' and schema.get('description'):
        said += f' ({schema["description"]})'
    return said


def _choice(error: ValidationError) -> str:
    """What the alternatives ask for, in one sentence."""
    said = list(dict.fromkeys(
        f'{".".join(map(str, inner.relative_path))} '.lstrip() + text
        for inner in error.context or ()
        for _, text in itertools.islice(explain(inner), _CHOICES)))
    return ', or it '.join(said[:_CHOICES])


def _shown(value: JSON, schema: JSON) -> str:
    """The value itself, cut short; never that of a secret."""
    if parameters.is_secret(schema):
        return 'a secret'
    if isinstance(value, str) and sshkeys.is_private(value):
        return 'a private key'
    text = json.dumps(parameters.hidden(schema, value), ensure_ascii=False,
                      default=str)
    return text if len(text) <= 60 else f'{text[:57]}...'
