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

"""What a request says: the API's version, its query and its body.

What may come in and what goes out is said beside each method::

    @request.schemas(query=schema.query, body=schema.create,
                     response=schema.show, status=(202,))
    def post(self, query, body):
        self.authorize(...)
        wanted = body()

The decorator hands ``query`` to the method once it fits, and ``body`` as
something to call: the body is read from the connection and looked at then,
after the method has found that the caller may do what it is about. All that
is wrong with both is one answer. A method that declares no query or no body
accepts none.

JSON is read strictly, and never more than allowed. What the JSON module takes
and JSON does not know (NaN, keys that come twice, half characters) is refused
here, and so is text that would lie to whoever reads it on a screen; nothing
behind has to think of either.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import functools
import json
import logging
import math
import re
from typing import Any
from typing import BinaryIO
import urllib.parse

import microversion_parse
import pecan

from hpcdirect.api.errors import ProtocolError
from hpcdirect.blueprints import wording
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.jsontypes import Object

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


def read_query(text: str, schema: Mapping[str, Any]) -> Object:
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


def _mapping(pairs: Iterable[tuple[str, Any]]) -> Object:
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


# -- the version of the API --------------------------------------------

VERSIONS = ['1.0']
HEADER = 'OpenStack-API-Version'


def extract(environ: Mapping[str, Any], service_type: str) -> str:
    """The version asked for; the lowest when none is.

    :raises ProtocolError: 406, with the versions there are.
    """
    try:
        return str(microversion_parse.extract_version(
            dict(environ), service_type, VERSIONS))
    except (ValueError, TypeError) as exc:
        raise ProtocolError(
            406, f'Versions {VERSIONS[0]} to {VERSIONS[-1]} are spoken here; '
            f'ask for one of them, or for "latest", in {HEADER}.',
            extra={'min_version': VERSIONS[0],
                   'max_version': VERSIONS[-1]}) from exc


def headers(version: str, service_type: str) -> dict[str, str]:
    """What every response says about it."""
    return {HEADER: f'{service_type} {version}', 'Vary': HEADER}


# -- what fits its schema ----------------------------------------------

LOG = logging.getLogger(__name__)

Schema = Object


class Body:
    """The body of a request, which is read when it is asked for.

    :param check: reads it; gives it with all that is wrong with the request.
    """

    def __init__(self, check: Callable[[], tuple[Any, list[Finding]]]
                 ) -> None:
        self._check = check

    def __call__(self) -> Object:
        """What it says.

        :raises Invalid: with all that is wrong.
        """
        given, wrong = self._check()
        if wrong:
            raise Invalid(wrong)
        found: dict[str, Any] = given
        return found

    def looked_at(self) -> tuple[dict[str, Any], list[Finding]]:
        """What it says, also when it is wrong, and all that is wrong.

        For those who find more in what is right, and tell all at once.

        :raises Invalid: nothing of it can be understood.
        """
        given, wrong = self._check()
        if not isinstance(given, dict):
            raise Invalid(wrong)
        return given, wrong

EMPTY: Schema = {'type': 'object', 'properties': {},
                 'additionalProperties': False}


@dataclasses.dataclass(frozen=True)
class Schemas:
    """What a method takes and gives.

    :param status: of a good answer, the usual one first.
    :param public: answered without authentication.
    """

    query: Schema
    body: Schema | None
    response: Schema
    status: tuple[int, ...]
    public: bool


def schemas(*, response: Schema, query: Schema | None = None,
            body: Schema | None = None, status: tuple[int, ...] = (200,),
            public: bool = False) -> Callable[[Callable[..., Any]],
                                              Callable[..., Any]]:
    """Check the request before, and the response after a method."""
    said = Schemas(query or EMPTY, body, response, status, public)
    checkers = {name: wording.validator(schema) for name, schema in (
        ('query', said.query), ('body', body or EMPTY),
        ('response', response))}

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def checked(self: Any, *idents: str) -> Any:
            conf = self.services.conf.api
            given = read_query(
                pecan.request.environ.get('QUERY_STRING', ''), said.query)
            wrong = list(_findings(checkers['query'], given))
            if wrong and body is None:
                raise Invalid(wrong)
            taken: dict[str, Any] = {} if query is None else {'query': given}
            if body is not None:
                most = conf.max_body if body.get('x-large') else min(
                    SMALL, conf.max_body)
                taken['body'] = Body(functools.partial(
                    _body, checkers['body'], wrong, most))
            pecan.response.status = status[0]
            answer = method(self, *idents, **taken)
            _verify(checkers['response'], answer, conf.response_validation)
            return answer

        vars(checked)['schemas'] = said
        return checked
    return decorate


def _body(checker: Any, wrong: list[Finding], most: int
          ) -> tuple[Any, list[Finding]]:
    """The body of this request, and all that is wrong.

    :param wrong: what is wrong with the query.
    """
    given = parse(pecan.request.environ['hpcdirect.body'], most)
    return given, [*wrong, *_findings(checker, given)]


def _findings(against: Any, value: Any) -> Iterator[Finding]:
    for path, message in wording.first(
            found for error in against.iter_errors(value)
            for found in wording.explain(error)):
        where = ''.join(f'[{part}]' if isinstance(part, int)
                        else f'.{part[:80]}' for part in path)
        yield Finding(message, f'${where}')


def _verify(against: Any, answer: Any, strictness: str) -> None:
    if strictness == 'ignore':
        return
    found = '; '.join(map(str, _findings(against, answer)))
    if found and strictness == 'error':
        raise RuntimeError(f'The response breaks its schema: {found}')
    if found:
        LOG.warning('A response breaks its schema: %s', found)
