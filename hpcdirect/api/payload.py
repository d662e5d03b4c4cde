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
half characters) is refused here, so that nothing behind has to think of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import json
import math
import re
from typing import Any
import urllib.parse

from hpcdirect.api.errors import ProtocolError
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid

MAX_DEPTH = 32

_INTEGER = re.compile(r'-?[0-9]{1,20}\Z', re.ASCII)


def read(environ: dict[str, Any], most: int) -> bytes:
    """The body; the request has none any more afterwards.

    :raises ProtocolError: 413 when it is larger than *most*.
    """
    length = environ.get('CONTENT_LENGTH') or '0'
    declared = int(length) if length.isascii() and length.isdigit() else -1
    if declared < 0:
        raise ProtocolError(400, 'Content-Length is no number.')
    if declared > most:
        raise ProtocolError(
            413, f'The body has {declared} bytes; the most is {most}.',
            {'Connection': 'close'})
    body: bytes = environ['wsgi.input'].read(declared) if declared else b''
    return body


def parse(raw: bytes, content_type: str) -> Any:
    """The JSON value of a body.

    :raises ProtocolError: 415 when it does not say that it is JSON.
    :raises Invalid: it is none.
    """
    if content_type.partition(';')[0].strip().lower() != 'application/json':
        raise ProtocolError(
            415, 'Send JSON, with Content-Type: application/json.')
    try:
        value = json.loads(raw.decode(), parse_constant=_constant,
                           parse_float=_float, object_pairs_hook=_mapping)
        _check(value, MAX_DEPTH)
    except RecursionError as exc:
        raise _wrong('it is nested too deeply') from exc
    except ValueError as exc:
        raise _wrong(str(exc)) from exc
    return value


def query(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The query's values, as the types its schema gives them.

    :raises Invalid: a key comes twice.
    """
    pairs = urllib.parse.parse_qsl(text, keep_blank_values=True,
                                   errors='strict')
    values = dict(pairs)
    twice = sorted({key for key, _ in pairs
                    if [name for name, _ in pairs].count(key) > 1})
    if twice:
        raise Invalid(Finding('is given twice', f'$.{key}') for key in twice)
    properties = schema.get('properties', {})
    return {key: _typed(value, properties.get(key, {}).get('type'))
            for key, value in values.items()}


def _typed(text: str, kind: Any) -> Any:
    if kind == 'integer' and _INTEGER.match(text):
        return int(text)
    if kind == 'number' and _INTEGER.match(text.replace('.', '', 1)):
        return float(text)
    if kind == 'boolean' and text in ('true', 'false'):
        return text == 'true'
    return text


def _wrong(reason: str) -> Invalid:
    return Invalid([Finding(f'The body is no JSON that is taken: {reason}.',
                            '$')])


def _constant(name: str) -> Any:
    raise ValueError(f'{name} is no JSON number')


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f'{text[:40]} is too large a number')
    return value


def _mapping(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f'the key "{key[:40]}" comes twice')
        found[key] = value
    return found


def _check(value: Any, depth: int) -> None:
    """Refuse what is too deep, and text that no database takes."""
    if depth < 0:
        raise ValueError(f'it is nested deeper than {MAX_DEPTH} levels')
    if isinstance(value, str):
        value.encode()  # half of a surrogate pair is a UnicodeEncodeError
        if '\0' in value:
            raise ValueError('a text holds the character NUL')
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth)
            _check(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth - 1)
