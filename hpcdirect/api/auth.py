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

"""Who asks: the three ways to know, each giving a RequestContext."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from collections.abc import Iterable
import hashlib
import hmac
import os
from typing import Any

from keystonemiddleware import auth_token
from oslo_config import cfg

from hpcdirect.api.errors import ProtocolError
from hpcdirect.api.users import Users
from hpcdirect.context import RequestContext
from hpcdirect.exception import Forbidden

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Identify = Callable[[dict[str, Any]], RequestContext]

#: Answered to anybody; nothing a project owns is told there.
PUBLIC = frozenset(('', '/', '/v1', '/v1/', '/v1/openapi.json',
                    '/healthcheck'))

#: Each role has those after it, as Keystone sets them up.
_IMPLIED = ('admin', 'manager', 'member', 'reader')

_KEPT = ('HTTP_X_FORWARDED', 'HTTP_X_OPENSTACK_REQUEST_ID')


def wrap(app: WSGIApp, conf: cfg.ConfigOpts) -> WSGIApp:
    """*app* behind a door that only lets known callers through."""
    strategy = conf.api.auth_strategy
    if strategy == 'keystone':
        middleware: WSGIApp = auth_token.AuthProtocol(
            _door(app, _keystone), {'oslo_config_config': conf,
                                    'delay_auth_decision': True})
        return middleware
    if strategy == 'basic':
        return _door(app, Basic(Users(conf.api.users_file)))
    return _door(app, _believe)


def _door(app: WSGIApp, identify: Identify) -> WSGIApp:
    def door(environ: dict[str, Any], start: Callable[..., Any]
             ) -> Iterable[bytes]:
        if environ.get('PATH_INFO', '') not in PUBLIC:
            context = identify(environ)
            if not context.project_id:
                raise Forbidden(rule='anything without a project')
            environ['hpcdirect.context'] = context
        return app(environ, start)
    return door


def _identifiers(environ: dict[str, Any]) -> dict[str, Any]:
    return {'request_id': environ.get('openstack.request_id'),
            'global_request_id': environ.get('openstack.global_request_id')}


def _keystone(environ: dict[str, Any]) -> RequestContext:
    """What auth_token says of a token it has looked at."""
    if environ.get('HTTP_X_IDENTITY_STATUS') != 'Confirmed':
        raise ProtocolError(401, 'Send a token of Keystone that is valid.')
    if environ.get('HTTP_X_SERVICE_IDENTITY_STATUS') == 'Invalid':
        raise ProtocolError(401, 'The service token is not valid.')
    context: RequestContext = RequestContext.from_environ(
        environ, **_identifiers(environ))
    return context


def _believe(environ: dict[str, Any]) -> RequestContext:
    """For tests: the headers are true."""
    roles = environ.get('HTTP_X_ROLES', 'member')
    if not environ.get('HTTP_X_USER_ID', 'test'):
        raise ProtocolError(401, 'Nobody asks.')
    return RequestContext(
        user_id=environ.get('HTTP_X_USER_ID', 'test'),
        project_id=environ.get('HTTP_X_PROJECT_ID', 'test'),
        roles=implied(roles.split(',')), **_identifiers(environ))


def implied(roles: Iterable[str]) -> list[str]:
    """Roles with those they imply."""
    given = {role for role in roles if role}
    first = min((_IMPLIED.index(role) for role in given & set(_IMPLIED)),
                default=len(_IMPLIED))
    return sorted(given | set(_IMPLIED[first:]))


class Basic:
    """User names and passwords of a file of the operator's.

    A password that was right is remembered for as long as the file holds
    the same hash, by a keyed digest: bcrypt is paid once, not per request.
    """

    _REMEMBERED = 1000

    def __init__(self, users: Users) -> None:
        self._users = users
        self._secret = os.urandom(32)
        self._right: dict[bytes, None] = {}

    def __call__(self, environ: dict[str, Any]) -> RequestContext:
        """The caller; ProtocolError 401 when it is nobody known."""
        # What looks like an identity from outside is nobody's business.
        for name in [name for name in environ if name.startswith('HTTP_X_')
                     and not name.startswith(_KEPT)]:
            del environ[name]
        name, password = _credentials(
            environ.get('HTTP_AUTHORIZATION', ''))
        user = self._users.get(name)
        proof = hmac.new(
            self._secret, user.hash + b'\0' + password if user else b'',
            hashlib.sha256).digest()
        if user is None or proof not in self._right:
            if not self._users.check(user, password) or user is None:
                raise _unknown()
            self._remember(proof)
        return RequestContext(
            user_id=user.name, project_id=user.project_id,
            roles=implied(user.roles), **_identifiers(environ))

    def _remember(self, proof: bytes) -> None:
        if len(self._right) >= self._REMEMBERED:
            self._right.clear()
        self._right[proof] = None


def _credentials(header: str) -> tuple[str, bytes]:
    scheme, _, encoded = header.partition(' ')
    if scheme.lower() != 'basic':
        raise _unknown()
    try:
        name, _, password = base64.b64decode(
            encoded.strip(), validate=True).partition(b':')
        return name.decode(), password
    except (binascii.Error, ValueError) as exc:
        raise _unknown() from exc


def _unknown() -> ProtocolError:
    return ProtocolError(
        401, 'Give a user name and a password that this service knows.',
        {'WWW-Authenticate': 'Basic realm="hpcdirect"'})
