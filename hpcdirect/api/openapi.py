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

"""The OpenAPI document, made from the tree of paths and its schemas."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import inspect
import re
from typing import Any

from hpcdirect.api import request
from hpcdirect.api import resource
from hpcdirect.api.request import Schemas
from hpcdirect.api.schemas import common
from hpcdirect.jsontypes import Object
from hpcdirect.orders import creation

Described = Iterable[tuple[str, str, Callable[..., Any]]]

_ERRORS = {
    400: 'The request is wrong; every finding is told.',
    401: 'Nobody known asks.',
    403: 'The caller may not do this.',
    404: 'It is not there, or not the caller\'s to see.',
    406: 'This version of the API is not spoken.',
    409: 'The request is right, but not now.',
    412: 'It was changed since; If-Match names another state of it.',
    413: 'The body is too large.',
    414: 'The URL is too long.',
    415: 'The body is not JSON.',
    429: 'Too many wrong passwords were tried; Retry-After says when again.',
    503: 'Something that is needed does not answer just now.',
}

_ERROR = common.closed({'errors': common.items(common.closed({
    'status': common.number('The HTTP status.'),
    'code': common.text('A word that never changes.',
                        pattern='^hpcdirect\\.[a-z_]+$'),
    'title': common.text('The kind of error.'),
    'detail': common.text('What is wrong, a sentence.'),
    'request_id': common.text('What to look for in the logs.'),
    'findings': common.items(common.closed({
        'where': common.text('A JSON path, file:line, or "".'),
        'message': common.text('What is wrong with it.'),
    }), 'Everything that is wrong.'),
    'min_version': common.text('Lowest version that is spoken.'),
    'max_version': common.text('Highest version that is spoken.'),
}, ('status', 'code', 'title', 'detail', 'request_id', 'findings')),
    'What is wrong.')})

_KEY: Object = {
    'name': 'Idempotency-Key', 'in': 'header', 'required': False,
    'description': 'Chosen by the client; the same request with the same '
                   'key is carried out once.',
    'schema': {'type': 'string', 'pattern': creation.KEY_PATTERN},
}


_MATCH: Object = {
    'name': 'If-Match', 'in': 'header', 'required': False,
    'description': 'The ETag that GET gave: done only when nobody has '
                   'changed the cluster since.',
    'schema': {'type': 'string', 'pattern': resource.PATTERN},
}
_NONE_MATCH: Object = {
    'name': 'If-None-Match', 'in': 'header', 'required': False,
    'description': 'ETags of answers that the caller has.',
    'schema': {'type': 'string'},
}
_NOTHING_NEW = {'description': 'The caller has it: its ETag is among those '
                               'of If-None-Match.'}
#: Where If-Match is looked at.
_MATCHED = (('/v1/clusters/{cluster}', 'patch'),
            ('/v1/clusters/{cluster}', 'delete'))


def document(described: Described, service_type: str) -> Object:
    """The document of everything that is described."""
    paths: dict[str, dict[str, Object]] = {}
    for path, verb, method in described:
        paths.setdefault(path, {})[verb] = _operation(path, verb, method)
    return {
        'openapi': '3.1.0',
        'info': {
            'title': 'hpcdirect', 'version': request.VERSIONS[-1],
            'summary': 'HPC clusters as a service on bare metal.',
            'description': 'Send the header OpenStack-API-Version: '
                           f'{service_type} X.Y to ask for a version.',
            'license': {'name': 'Apache-2.0', 'identifier': 'Apache-2.0'}},
        'servers': [{'url': '/'}],
        'paths': paths,
        'security': [{'basic': []}, {'token': []}],
        'components': {
            'schemas': {'Error': _ERROR},
            'securitySchemes': {
                'basic': {'type': 'http', 'scheme': 'basic'},
                'token': {'type': 'apiKey', 'in': 'header',
                          'name': 'X-Auth-Token'}}},
    }


def _operation(path: str, verb: str, method: Callable[..., Any]
               ) -> Object:
    said: Schemas = vars(method)['schemas']
    summary, _, rest = (inspect.getdoc(method) or '').partition('\n')
    headers = [header for header, sent in (
        (_KEY, path == '/v1/clusters' and verb == 'post'),
        (_MATCH, (path, verb) in _MATCHED),
        (_NONE_MATCH, verb == 'get')) if sent]
    return {
        'operationId': _ident(path, verb),
        'summary': summary, 'description': rest.strip() or summary,
        'parameters': [*_parameters(path, said), *headers],
        'responses': {
            **{str(status): _json(said.response, 'As asked.')
               for status in said.status},
            **{str(status): _json(
                {'$ref': '#/components/schemas/Error'}, _ERRORS[status])
               for status in _statuses(path, verb, said)},
            **({'304': _NOTHING_NEW} if verb == 'get' else {})},
        **({} if said.body is None else {'requestBody': {
            'required': True,
            'content': {'application/json': {'schema': said.body}}}}),
        **({'security': []} if said.public else {}),
    }


def _statuses(path: str, verb: str, said: Schemas) -> list[int]:
    """The errors a method may answer with."""
    found = {400, 406, 414}
    if not said.public:
        found |= {401, 403, 429, 503}
    if '{' in path or path == '/v1/plans':
        # What the path, or a plan's body, names is not there.
        found.add(404)
    if verb != 'get':
        found |= {409, 413}
    if (path, verb) in _MATCHED:
        found.add(412)
    if said.body is not None:
        found.add(415)
    return sorted(found)


def _parameters(path: str, said: Schemas) -> list[Object]:
    words: list[Object] = [
        {'name': name, 'in': 'path', 'required': True,
         'description': f'Id or name of the {name}.',
         'schema': {'type': 'string', 'minLength': 1}}
        for name in re.findall(r'{(\w+)}', path)]
    return words + [
        {'name': name, 'in': 'query', 'required': False,
         'description': schema['description'],
         'schema': {key: value for key, value in schema.items()
                    if key != 'description'}}
        for name, schema in common.properties(said.query).items()]


def _json(schema: Object, description: str) -> Object:
    return {'description': description,
            'content': {'application/json': {'schema': schema}}}


def _ident(path: str, verb: str) -> str:
    words = re.findall(r'\w+', path.replace('.', '_'))
    return '_'.join([verb, *(words or ['versions'])])
