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

"""Puts the API together: a pecan application and what stands before it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import io
import logging
import re
import time
from typing import Any
import urllib.parse

from oslo_middleware import cors
from oslo_middleware import http_proxy_to_wsgi
from oslo_middleware import request_id
import pecan
import webob

from hpcdirect import metrics
from hpcdirect.api import auth
from hpcdirect.api import errors
from hpcdirect.api import request
from hpcdirect.api import resource
from hpcdirect.api.controllers import root
from hpcdirect.api.services import NullConductor
from hpcdirect.api.services import Services
from hpcdirect.api.tokens import WSGIApp

__all__ = ['NullConductor', 'Services', 'make_app']

LOG = logging.getLogger(__name__)

#: Bytes of path and query together.
_LONGEST_URL = 8192
_HOST = re.compile(r'([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])?'
                   r'(:[0-9]{1,5})?')


def make_app(services: Services) -> WSGIApp:
    """The WSGI application, from the outermost layer in:

    the request gets its id; the proxy's headers are believed when so
    configured; CORS; every error becomes a response (Edge); the caller is
    known (auth); pecan finds the method.
    """
    routed = pecan.Pecan(
        resource.Router(root.Root(services)), default_renderer='json',
        guess_content_type_from_ext=False)
    app: Any = Edge(auth.wrap(routed, services.conf, services.policy),
                    services)
    app = cors.CORS(app, services.conf)
    app = http_proxy_to_wsgi.HTTPProxyToWSGI(app, services.conf)
    return request_id.RequestId(app)

_METHODS = ('GET', 'HEAD', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'PUT')


class Edge:
    """Takes any request; lets nothing but proper responses out."""

    def __init__(self, app: WSGIApp, services: Services) -> None:
        self._app = app
        self._conf = services.conf.api

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]
                 ) -> Iterable[bytes]:
        """Answer a request, whatever becomes of it."""
        version, began = request.VERSIONS[0], time.monotonic()
        try:
            self._prepare(environ)
            version = request.extract(environ, self._conf.service_type)
            given = webob.Request(environ)
            response = resource.conditional(
                given, given.get_response(self._app))
        except Exception as exc:
            response = errors.render(exc, _request_id(environ))
        if (response.status_int >= 400
                and response.content_type != 'application/json'):
            response = _restated(response, _request_id(environ))
        response.headers.update(
            request.headers(version, self._conf.service_type))
        # At what is no path of ours there is no route.
        method = environ['REQUEST_METHOD']
        metrics.REQUEST_SECONDS.labels(
            method if method in _METHODS else 'other',
            environ.get('hpcdirect.route', 'none'), response.status_int,
        ).observe(time.monotonic() - began)
        answer: Iterable[bytes] = response(environ, start)
        return answer

    def _prepare(self, environ: dict[str, Any]) -> None:
        """Refuse what is not even text; the body is left where it is."""
        path = environ.get('PATH_INFO', '')
        query = environ.get('QUERY_STRING', '')
        if len(path) + len(query) > _LONGEST_URL:
            raise errors.ProtocolError(
                414, f'The URL is longer than {_LONGEST_URL} bytes.')
        try:
            path.encode('latin-1').decode()
            request.fields(query)
        except ValueError as exc:
            raise errors.ProtocolError(
                400, 'The URL is not UTF-8, or its query has more than '
                f'{request.MAX_FIELDS} fields.') from exc
        self._locate(environ)
        environ['hpcdirect.body'] = request.Raw(
            environ['wsgi.input'], request.length(environ),
            environ.get('CONTENT_TYPE', ''))
        # pecan parses what it finds, and hands it to methods as arguments.
        environ['wsgi.input'] = io.BytesIO()
        environ['CONTENT_LENGTH'], environ['CONTENT_TYPE'] = '0', ''
        # There is only JSON to be had.
        environ.pop('HTTP_ACCEPT', None)

    def _locate(self, environ: dict[str, Any]) -> None:
        """Say where the API is, for the links in the response."""
        if self._conf.public_endpoint:
            said = urllib.parse.urlsplit(self._conf.public_endpoint)
            environ['wsgi.url_scheme'] = said.scheme
            environ['HTTP_HOST'] = said.netloc
            environ['SCRIPT_NAME'] = said.path.rstrip('/')
        elif not _HOST.fullmatch(environ.get('HTTP_HOST', '')):
            raise errors.ProtocolError(
                400, 'Host is not a name or address with a port.')


def _restated(response: webob.Response, request_id: str) -> webob.Response:
    """What a library answered as a page of text, as an error of ours."""
    headers = {name: value for name, value in response.headers.items()
               if name in ('WWW-Authenticate', 'Allow', 'Retry-After')}
    return errors.render(errors.ProtocolError(
        response.status_int, response.status, headers), request_id)


def _request_id(environ: dict[str, Any]) -> str:
    return str(environ.get('openstack.request_id', ''))
