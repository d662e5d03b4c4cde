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

"""Every response that says no, in the API SIG's shape."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import json
import logging
from typing import Any

import webob

from hpcdirect.db.session import is_outage
from hpcdirect.exception import Finding
from hpcdirect.exception import HPCDirectError
from hpcdirect.exception import Invalid
from hpcdirect.exception import Unavailable
from hpcdirect.jsontypes import Object

LOG = logging.getLogger(__name__)

#: Errors of HTTP itself: status -> code and title.
_PROTOCOL = {
    400: ('invalid', 'Invalid request'),
    401: ('unauthorized', 'Authentication required'),
    403: ('forbidden', 'Not allowed'),
    404: ('not_found', 'Not found'),
    405: ('method_not_allowed', 'Method not allowed'),
    406: ('not_acceptable', 'Version not supported'),
    408: ('timeout', 'Request too slow'),
    413: ('too_large', 'Request too large'),
    414: ('url_too_long', 'URL too long'),
    415: ('unsupported_media_type', 'Not JSON'),
    429: ('too_many_attempts', 'Too many attempts'),
    431: ('headers_too_large', 'Headers too large'),
    501: ('not_implemented', 'Not implemented'),
    502: ('bad_gateway', 'No answer'),
    503: ('unavailable', 'Service unavailable'),
}


class ProtocolError(HPCDirectError):
    """A request that HTTP or the version header rules out.

    :param headers: what the response carries besides.
    :param extra: members of the error besides the usual ones.
    """

    template = '{reason}'

    def __init__(self, status: int, reason: str,
                 headers: Mapping[str, str] | None = None,
                 extra: Object | None = None) -> None:
        self.answer = status
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        super().__init__(reason=reason)


def render(exc: Exception, request_id: str) -> webob.Response:
    """The response to an exception, expected or not."""
    if isinstance(exc, ProtocolError):
        code, title = _PROTOCOL.get(exc.answer, ('internal', 'Error'))
        return _response(exc.answer, {
            'code': f'hpcdirect.{code}', 'title': title, 'detail': str(exc),
            'request_id': request_id, 'findings': [], **exc.extra,
        }, exc.headers)
    if is_outage(exc):
        LOG.warning('Request %s: the database cannot be used: %s',
                    request_id, str(exc).partition('\n')[0])
        exc = Unavailable(reason='The database does not answer just now; '
                          'ask again.')
    elif isinstance(exc, Unavailable):
        LOG.warning('Request %s: %s', request_id, exc)
    elif not isinstance(exc, HPCDirectError) or exc.status >= 500:
        LOG.error('Request %s failed', request_id, exc_info=exc)
    # What an unexpected exception says may hold what is not to be told.
    known = exc if isinstance(exc, HPCDirectError) else HPCDirectError()
    findings = known.findings if isinstance(known, Invalid) else ()
    return _response(known.status, {
        'code': f'hpcdirect.{known.code}', 'title': known.title,
        'detail': str(known), 'request_id': request_id,
        'findings': _findings(findings)})


def _findings(findings: Iterable[Finding]) -> list[dict[str, str]]:
    return [{'where': finding.where, 'message': finding.message}
            for finding in findings]


def _response(status: int, error: Mapping[str, Any],
              headers: Mapping[str, str] | None = None) -> webob.Response:
    body = json.dumps({'errors': [{'status': status, **error}]})
    response = webob.Response(
        body=body.encode(), status=status, content_type='application/json',
        charset='UTF-8')
    response.headers.update(headers or {})
    if status == 503:
        response.headers['Retry-After'] = '5'
    return response
