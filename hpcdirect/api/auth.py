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

"""Who asks: the three ways to know, each giving a RequestContext.

A context has a project, but for the operator's: a token for the whole system
has none, and sees every project's. Anything else without a project is turned
away here, so that nothing behind has to think of it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from collections.abc import Iterable
import hashlib
import hmac
import os
from typing import Any

from oslo_config import cfg

from hpcdirect.api import tokens
from hpcdirect.api.attempts import Attempts
from hpcdirect.api.errors import ProtocolError
from hpcdirect.api.tokens import WSGIApp
from hpcdirect.api.users import Users
from hpcdirect.context import RequestContext
from hpcdirect.policies import Enforcer

Identify = Callable[[dict[str, Any]], RequestContext]

#: Answered to anybody; nothing a project owns is told there.
PUBLIC = frozenset(('', '/', '/v1', '/v1/', '/v1/openapi.json',
                    '/healthcheck'))

#: Each role has those after it, as Keystone sets them up.
_IMPLIED = ('admin', 'manager', 'member', 'reader')

_KEPT = ('HTTP_X_FORWARDED', 'HTTP_X_OPENSTACK_REQUEST_ID')
_TOKENS = ('HTTP_X_AUTH_TOKEN', 'HTTP_X_SERVICE_TOKEN')


def wrap(app: WSGIApp, conf: cfg.ConfigOpts, policy: Enforcer) -> WSGIApp:
    """*app* behind a door that only lets known callers through."""
    strategy = conf.api.auth_strategy
    if strategy == 'keystone':
        known: WSGIApp = tokens.Tokens(_enter(app, _keystone, policy), conf)
        return _door(app, _cleaned(known, (*_KEPT, *_TOKENS)))
    if strategy == 'basic':
        return _door(app, _cleaned(_enter(
            app, Basic(Users(conf.api.users_file)), policy), _KEPT))
    return _door(app, _enter(app, _believe, policy))


def _door(public: WSGIApp, known: WSGIApp) -> WSGIApp:
    """Leads to *public* what anybody may ask, the rest to *known*."""
    def door(environ: dict[str, Any], start: Callable[..., Any]
             ) -> Iterable[bytes]:
        # Log lines carry the request's id from here on; and not what this
        # thread knew of the request before.
        RequestContext(**_identifiers(environ))
        path = environ.get('PATH_INFO', '')
        return (public if path in PUBLIC else known)(environ, start)
    return door


def _cleaned(app: WSGIApp, kept: tuple[str, ...]) -> WSGIApp:
    """*app*; what looks like an identity from outside does not reach it."""
    def cleaning(environ: dict[str, Any], start: Callable[..., Any]
                 ) -> Iterable[bytes]:
        for name in [name for name in environ
                     if name.startswith(('HTTP_X_', 'HTTP_OPENSTACK_SYSTEM'))
                     and not name.startswith(kept)]:
            del environ[name]
        return app(environ, start)
    return cleaning


def _enter(app: WSGIApp, identify: Identify, policy: Enforcer) -> WSGIApp:
    """*app*, with the caller's context in the environment."""
    def enter(environ: dict[str, Any], start: Callable[..., Any]
              ) -> Iterable[bytes]:
        context = identify(environ)
        if not context.project_id:
            _admit(context, policy)
        environ['hpcdirect.context'] = context
        return app(environ, start)
    return enter


def _admit(context: RequestContext, policy: Enforcer) -> None:
    """Pass the operator of the whole system; nobody else has no project."""
    if context.system_scope == 'all':
        if policy.reach(context) is None:
            return
        reason = ('A token for the whole system is for the role admin here; '
                  'ask with a token for a project.')
    elif context.domain_id:
        reason = ('This token is for a domain, and clusters belong to '
                  'projects; ask with a token for a project.')
    else:
        reason = ('This token is for no project; ask with a token for a '
                  'project.')
    raise ProtocolError(403, reason)


def _identifiers(environ: dict[str, Any]) -> dict[str, Any]:
    return {'request_id': environ.get('openstack.request_id'),
            'global_request_id': environ.get('openstack.global_request_id')}


def _keystone(environ: dict[str, Any]) -> RequestContext:
    """What Keystone says of a token."""
    return tokens.identify(environ, **_identifiers(environ))


def _believe(environ: dict[str, Any]) -> RequestContext:
    """For tests: the headers are true."""
    roles = environ.get('HTTP_X_ROLES', 'member')
    if not environ.get('HTTP_X_USER_ID', 'test'):
        raise ProtocolError(401, 'Nobody asks.')
    return RequestContext(
        user_id=environ.get('HTTP_X_USER_ID', 'test'),
        user_name=_text(environ, 'HTTP_X_USER_NAME'),
        project_id=environ.get('HTTP_X_PROJECT_ID', 'test'),
        project_name=_text(environ, 'HTTP_X_PROJECT_NAME'),
        domain_id=environ.get('HTTP_X_DOMAIN_ID'),
        system_scope=environ.get('HTTP_OPENSTACK_SYSTEM_SCOPE'),
        roles=implied(roles.split(',')), **_identifiers(environ))


def _text(environ: dict[str, Any], name: str) -> str:
    """A header that holds UTF-8, of which WSGI knows only the bytes."""
    raw: str = environ.get(name, '')
    return raw.encode('latin-1').decode(errors='replace')


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
    Wrong ones are slowed down: see :class:`Attempts`.
    """

    _REMEMBERED = 1000

    def __init__(self, users: Users) -> None:
        self._users = users
        self._secret = os.urandom(32)
        self._right: dict[bytes, None] = {}
        self._attempts = Attempts()

    def __call__(self, environ: dict[str, Any]) -> RequestContext:
        """The caller; ProtocolError 401 when it is nobody known."""
        name, password = _credentials(
            environ.get('HTTP_AUTHORIZATION', ''))
        user = self._users.get(name)
        proof = hmac.new(
            self._secret, user.hash + b'\0' + password if user else b'',
            hashlib.sha256).digest()
        if user is None or proof not in self._right:
            address = environ.get('REMOTE_ADDR', '')
            with self._attempts.place(name, address):
                right = self._users.check(user, password)
            if not right or user is None:
                self._attempts.wrong(name, address)
                raise _unknown()
            self._attempts.right(name, address)
            self._remember(proof)
        return RequestContext(
            user_id=user.name, user_name=user.name,
            project_id=user.project_id, project_name=user.project_id,
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
