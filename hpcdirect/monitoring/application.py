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


"""The port of hpcdirect-metrics: for the API, and for a site's Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import hmac
import logging
import pathlib
import re
import time
from typing import Any
import urllib.parse

from oslo_config import cfg
import webob

from hpcdirect import charts
from hpcdirect.api import charting
from hpcdirect.api.errors import ProtocolError
from hpcdirect.api.errors import render
from hpcdirect.exception import NotFound
from hpcdirect.keys import KeyRing
from hpcdirect.monitoring.numbers import Numbers
from hpcdirect.monitoring.numbers import Target
from hpcdirect.monitoring.reading import Unanswered

LOG = logging.getLogger(__name__)

#: What Prometheus is told that it gets, whatever the exporter called it.
_TEXT = 'text/plain; version=0.0.4; charset=utf-8'
#: Seconds for an exporter to answer: at most, and less than Prometheus waits.
_SCRAPE, _MARGIN = 10.0, 0.5
_PLACE = re.compile(r'/clusters/([0-9a-f-]{36})/(charts|exporters/(.+))')


class Application:
    """Answers, as WSGI."""

    def __init__(self, conf: cfg.ConfigOpts, keys: KeyRing, numbers: Numbers
                 ) -> None:
        self._conf = conf.monitoring
        self._keys = keys
        self._numbers = numbers

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]
                 ) -> Iterable[bytes]:
        """Answer a request, whatever becomes of it."""
        request = webob.Request(environ)
        try:
            response = self._answer(request)
        except Unanswered as exc:
            response = render(ProtocolError(502, f'{exc}.'), '')
        except ValueError:
            response = render(ProtocolError(400, 'The query is none.'), '')
        except Exception as exc:
            response = render(exc, '')
        answer: Iterable[bytes] = response(environ, start)
        return answer

    def _answer(self, request: webob.Request) -> webob.Response:
        if request.method != 'GET':
            raise ProtocolError(405, 'There is only GET.', {'Allow': 'GET'})
        if request.path == '/sd':
            self._known(request)
            return webob.Response(json=[
                _described(one, request) for one in self._numbers.targets()])
        found = _PLACE.fullmatch(request.path)
        if found is None:
            raise NotFound(resource='Path', ident=request.path)
        cluster_id, what, exporter = found.groups()
        if what == 'charts':
            self._signed(request)
            return webob.Response(json=self._numbers.charts(
                cluster_id, charts.Asked.read(request.query_string)))
        self._known(request)
        return webob.Response(
            body=self._numbers.scraped(cluster_id, exporter, _seconds(
                request.headers.get('X-Prometheus-Scrape-Timeout-Seconds'))),
            content_type=None, headerlist=[('Content-Type', _TEXT)])

    def _known(self, request: webob.Request) -> None:
        """Pass, or raise: who asks has no token."""
        kind, _, given = request.headers.get('Authorization', ''
                                             ).partition(' ')
        if kind.lower() != 'bearer' or not any(
                hmac.compare_digest(one.encode(), given.strip().encode())
                for one in self._tokens()):
            raise _stranger('Send "Authorization: Bearer TOKEN" with a token '
                            'of [monitoring] token_file.')

    def _tokens(self) -> list[str]:
        path = self._conf.token_file
        try:
            return pathlib.Path(path).read_text().split() if path else []
        except (OSError, UnicodeError) as exc:
            LOG.warning('Nobody is let in: [monitoring] token_file %s: %s',
                        path, exc)
            return []

    def _signed(self, request: webob.Request) -> None:
        """Pass, or raise: it is not the API that asks."""
        at, _, signature = request.headers.get(charting.HEADER, ''
                                               ).partition(' ')
        if not at.isdecimal() or len(at) > 15 or abs(
                time.time() - int(at)) > charting.VALID \
                or not self._keys.verify(charting.part(
                    f'{request.path}?{request.query_string}', int(at)),
                    signature):
            raise _stranger('Only the API is told this. If it is the API '
                            'that asks: do both have the same key_file, and '
                            'the same time?')


def _stranger(text: str) -> ProtocolError:
    return ProtocolError(401, text, {'WWW-Authenticate': 'Bearer'})


def _seconds(said: str | None) -> float:
    """How long Prometheus waits, less a little."""
    try:
        return min(_SCRAPE, max(1.0, float(said or 'inf') - _MARGIN))
    except ValueError:
        return _SCRAPE


def _described(target: Target, request: webob.Request) -> dict[str, Any]:
    """A target as Prometheus' discovery by HTTP takes it: we are its way."""
    one = target.standing
    return {'targets': [request.host], 'labels': {
        '__scheme__': request.scheme,
        '__metrics_path__': urllib.parse.quote(
            f'/clusters/{one.cluster_id}/exporters/{target.path}'),
        'cluster': one.cluster, 'cluster_id': one.cluster_id,
        'project_id': one.project_id, 'node': one.node,
        'exporter': f'{one.element}/{target.exporter.name}',
        'instance': f'{one.node}.{one.cluster}'}}
