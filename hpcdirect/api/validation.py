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

"""What may come in and what goes out, said beside each method.

::

    @validation.schemas(query=schema.query, body=schema.create,
                        response=schema.show, status=(202,))
    def post(self, query, body):
        self.authorize(...)
        wanted = body()

The decorator hands ``query`` to the method once it fits, and ``body`` as
something to call: the body is read from the connection and looked at then,
after the method has found that the caller may do what it is about. All that
is wrong with both is one answer. A method without a schema for one of them
takes none of it.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import functools
import logging
from typing import Any

import pecan

from hpcdirect.api import payload
from hpcdirect.blueprints import wording
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid

LOG = logging.getLogger(__name__)

Schema = Mapping[str, Any]


class Body:
    """The body of a request, which is read when it is asked for.

    :param check: reads it; gives it with all that is wrong with the request.
    """

    def __init__(self, check: Callable[[], tuple[Any, list[Finding]]]
                 ) -> None:
        self._check = check

    def __call__(self) -> dict[str, Any]:
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
            given = payload.query(
                pecan.request.environ.get('QUERY_STRING', ''), said.query)
            wrong = list(_findings(checkers['query'], given))
            if wrong and body is None:
                raise Invalid(wrong)
            taken: dict[str, Any] = {} if query is None else {'query': given}
            if body is not None:
                most = conf.max_body if body.get('x-large') else min(
                    payload.SMALL, conf.max_body)
                taken['body'] = Body(functools.partial(
                    _body, checkers['body'], wrong, most))
            pecan.response.status = status[0]
            answer = method(self, *idents, **taken)
            _verify(checkers['response'], answer, conf.response_validation)
            return answer

        checked.schemas = said  # type: ignore[attr-defined]
        return checked
    return decorate


def _body(checker: Any, wrong: list[Finding], most: int
          ) -> tuple[Any, list[Finding]]:
    """The body of this request, and all that is wrong.

    :param wrong: what is wrong with the query.
    """
    given = payload.parse(pecan.request.environ['hpcdirect.body'], most)
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
