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

"""Keystone's tokens: who asks, as the token says and nothing else.

keystonemiddleware asks Keystone and remembers its answers. What it says in
headers is not looked at: it leaves some that a caller may have sent. The
context is made from the token itself.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import http
from typing import Any

from keystoneauth1 import exceptions as ksa_exceptions
from keystonemiddleware import auth_token
from oslo_config import cfg

from hpcdirect.api.errors import ProtocolError
from hpcdirect.context import RequestContext

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_DOWN = 'Keystone does not answer, so nobody can be known; try again.'
_SAID = {
    401: 'The token is not one that Keystone knows, or not any more; or its '
         'application credential does not allow this; or the service token '
         'beside it is not valid.',
    503: _DOWN,
}


class Tokens:
    """Lets requests through to *inner* whose token Keystone confirms.

    :param inner: what a known caller gets to; it calls :func:`identify`.
    """

    def __init__(self, inner: WSGIApp, conf: cfg.ConfigOpts) -> None:
        self._guarded: WSGIApp = auth_token.AuthProtocol(_arrive(inner), {
            'oslo_config_config': conf,
            # These three are not for a site to weaken. Rules of application
            # credentials name the service by its type.
            'delay_auth_decision': False,
            'service_token_roles_required': True,  # nosec B105
            'service_type': conf.api.service_type})
        uri = conf.keystone_authtoken.www_authenticate_uri
        self._where = {'WWW-Authenticate': f'Keystone uri="{uri or ""}"'}

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]
                 ) -> Iterable[bytes]:
        """Answer, or ProtocolError 401 or 503."""
        if not environ.get('HTTP_X_AUTH_TOKEN'):
            raise ProtocolError(
                401, 'Send a token of Keystone in X-Auth-Token.',
                self._where)

        def started(status: str, *more: Any) -> Any:
            if 'hpcdirect.arrived' not in environ:
                code = int(status.split()[0])
                raise ProtocolError(
                    code, _SAID.get(code, http.HTTPStatus(code).phrase),
                    self._where if code == 401 else {})
            return start(status, *more)

        try:
            return self._guarded(environ, started)
        except ksa_exceptions.ClientException as exc:
            raise ProtocolError(503, _DOWN) from exc


def _arrive(inner: WSGIApp) -> WSGIApp:
    """*inner*; says first that the middleware has let the request in."""
    def arriving(environ: dict[str, Any], start: Callable[..., Any]
                 ) -> Iterable[bytes]:
        environ['hpcdirect.arrived'] = True
        return inner(environ, start)
    return arriving


def identify(environ: dict[str, Any], **identifiers: Any) -> RequestContext:
    """Who has the token of a request that Tokens let through.

    The token itself is not carried on.
    """
    auth = environ['keystone.token_auth']
    user, service = auth.user, auth.service
    served = {} if service is None else {
        'service_user_id': service.user_id,
        'service_user_domain_id': service.user_domain_id,
        'service_project_id': service.project_id,
        'service_project_domain_id': service.project_domain_id,
        'service_roles': list(service.role_names)}
    return RequestContext(
        user_id=user.user_id, user_name=user.username,
        user_domain_id=user.user_domain_id,
        project_id=user.project_id, project_name=user.project_name,
        project_domain_id=user.project_domain_id, domain_id=user.domain_id,
        system_scope='all' if user.system_scoped else None,
        roles=list(user.role_names), **served, **identifiers)
