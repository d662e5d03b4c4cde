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

"""Reading a request's body and query: strictly, and never more than allowed.

What the JSON module takes and JSON does not know (NaN, keys that come twice,
half characters) is refused here, and so is text that would lie to whoever
reads it on a screen; nothing behind has to think of either.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import json
import math
import re
from typing import Any
from typing import BinaryIO
import urllib.parse

from hpcdirect.api.errors import ProtocolError
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid

#: Bytes of a body that a route takes when it does not ask for more.
SMALL = 64 * 1024
MAX_DEPTH = 32
#: Most values in one JSON text: a thousand users with all that can be said
#: of them. Each costs some microseconds to check.
MAX_VALUES = 20000
MAX_FIELDS = 64

_INTEGER = re.compile(r'-?[0-9]{1,20}\Z', re.ASCII)
# Also one that never ends, so that the rest is not looked at again and again.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
# A line may end and a tab may stand. Other control characters move a
# terminal's cursor, and those that override the direction of writing show
# text in another order than it is read by a program.
_HARMFUL = re.compile(
    '[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]')


@dataclasses.dataclass(frozen=True)
class Raw:
    """A body that is still to be read.

    :param length: in bytes.
    """

    stream: BinaryIO
    length: int
    content_type: str


def length(environ: Mapping[str, Any]) -> int:
    """Bytes of the body that a request says it has.

    :raises ProtocolError: it says nothing that can be understood.
    """
    said = environ.get('CONTENT_LENGTH') or '0'
    if not (said.isascii() and said.isdigit() and len(said) < 20):
        raise ProtocolError(400, 'Content-Length is not a number.',
                            {'Connection': 'close'})
    return int(said)


def parse(raw: Raw, most: int) -> Any:
    """The JSON value of a body, which is read now.

    :param most: bytes that are taken.
    :raises ProtocolError: 413 when it is larger, 415 when it does not say
        that it is JSON.
    :raises Invalid: it is not JSON.
    """
    if raw.length > most:
        raise ProtocolError(
            413, f'The body has {raw.length} bytes; the most is {most}.',
            {'Connection': 'close'})
    kind = raw.content_type.partition(';')[0].strip().lower()
    if kind != 'application/json':
        raise ProtocolError(
            415, 'Send JSON, with Content-Type: application/json.')
    try:
        return value(raw.stream.read(raw.length).decode())
    except ValueError as exc:
        raise Invalid([Finding(
            f'The body is not valid JSON: {exc}.', '$')]) from exc


def value(text: str) -> Any:
    """The value of a JSON text that somebody sent.

    :raises ValueError: it is not accepted; says why.
    """
    _count(text)
    try:
        found = json.loads(text, parse_constant=_constant,
                           parse_float=_float, object_pairs_hook=_mapping)
        _check(found, MAX_DEPTH)
    except RecursionError as exc:
        raise ValueError('it is nested too deeply') from exc
    return found


def mapping(text: str, where: str) -> tuple[dict[str, Any], list[Finding]]:
    """The object of a JSON text, {} when it is not one; and why it is not.

    :param where: JSON path of the text.
    """
    reason = ''
    try:
        found = value(text)
        if isinstance(found, dict):
            return found, []
    except ValueError as exc:
        reason = f': {exc}'
    return {}, [Finding(f'it is not a JSON object{reason}', where)]


def query(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The query's values, as the types its schema gives them.

    :raises Invalid: a key comes twice.
    """
    pairs = fields(text)
    counts = collections.Counter(key for key, _ in pairs)
    twice = sorted(key for key, count in counts.items() if count > 1)
    if twice:
        raise Invalid(Finding('is given twice', f'$.{key}') for key in twice)
    properties = schema.get('properties', {})
    return {key: _typed(value, properties.get(key, {}).get('type'))
            for key, value in pairs}


def fields(text: str) -> list[tuple[str, str]]:
    """Keys and values of a query, in order.

    :raises ValueError: they are no UTF-8, or more than MAX_FIELDS.
    """
    return urllib.parse.parse_qsl(
        text, keep_blank_values=True, errors='strict',
        max_num_fields=MAX_FIELDS)


def _typed(text: str, kind: Any) -> Any:
    if kind == 'integer' and _INTEGER.match(text):
        return int(text)
    if kind == 'number' and _INTEGER.match(text.replace('.', '', 1)):
        return float(text)
    if kind == 'boolean' and text in ('true', 'false'):
        return text == 'true'
    return text


def _count(text: str) -> None:
    """Refuse more values than are taken, before any of them is made."""
    if _separators(text) > MAX_VALUES and _separators(
            _STRING.sub('', text)) > MAX_VALUES:
        raise ValueError(f'it holds more than {MAX_VALUES} values')


def _separators(text: str) -> int:
    return text.count(',') + text.count('[') + text.count('{')


def _constant(name: str) -> Any:
    raise ValueError(f'{name} is not a JSON number')


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f'{text[:40]} is too large a number')
    return number


def _mapping(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, item in pairs:
        if key in found:
            raise ValueError(f'the key "{key[:40]}" comes twice')
        found[key] = item
    return found


def _check(found: Any, depth: int) -> None:
    """Refuse what is too deep, and text that is not taken."""
    if depth < 0:
        raise ValueError(f'it is nested deeper than {MAX_DEPTH} levels')
    if isinstance(found, str):
        _check_text(found)
    elif isinstance(found, dict):
        for key, item in found.items():
            _check_text(key)
            _check(item, depth - 1)
    elif isinstance(found, list):
        for item in found:
            _check(item, depth - 1)


def _check_text(text: str) -> None:
    text.encode()  # half of a surrogate pair is a UnicodeEncodeError
    harmful = None if text.isprintable() else _HARMFUL.search(text)
    if harmful:
        raise ValueError(
            f'a text holds the character U+{ord(harmful[0]):04X}, which '
            'controls how it is shown')
