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

"""A small HTTP server of the standard library, for one machine.

It keeps connections open and answers each in a thread of its own. Behind a
real load, put uwsgi or gunicorn in its place: ``hpcdirect.wsgi.api``.
"""

from __future__ import annotations

from http import server
import io
import logging
import sys
import threading
from typing import Any
import urllib.parse

from hpcdirect.api.tokens import WSGIApp

LOG = logging.getLogger(__name__)


class Server(server.ThreadingHTTPServer):
    """Serves one WSGI application."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, app: WSGIApp, host: str, port: int) -> None:
        self.app = app
        super().__init__((host, port), _Handler)


class _Handler(server.BaseHTTPRequestHandler):
    """HTTP/1.1 on one side, WSGI on the other."""

    protocol_version = 'HTTP/1.1'
    # An idle connection is kept for so many seconds.
    timeout = 75
    # Header and body leave in one packet; without this, Nagle's algorithm
    # holds the second one back.
    disable_nagle_algorithm = True
    wbufsize = 65536

    def _answer(self) -> None:
        if 'Transfer-Encoding' in self.headers:
            self.close_connection = True
            self.send_error(411)
            return
        chunks = self.server.app(  # type: ignore[attr-defined]
            self._environ(), self._start)
        body = b''.join(chunks)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def __getattr__(self, name: str) -> Any:
        """Every method goes to the application, which knows its own."""
        if name.startswith('do_'):
            return self._answer
        raise AttributeError(name)

    def _start(self, status: str, headers: list[tuple[str, str]],
               exc_info: Any = None) -> None:
        code, _, reason = status.partition(' ')
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)

    def _environ(self) -> dict[str, Any]:
        path, _, query = self.path.partition('?')
        host, port = self.connection.getsockname()[:2]
        length = self.headers.get('Content-Length', '0')
        environ: dict[str, Any] = {
            'REQUEST_METHOD': self.command, 'SCRIPT_NAME': '',
            'PATH_INFO': urllib.parse.unquote(path, 'latin-1'),
            'QUERY_STRING': query, 'SERVER_NAME': str(host),
            'SERVER_PORT': str(port), 'SERVER_PROTOCOL': 'HTTP/1.1',
            'REMOTE_ADDR': self.client_address[0],
            'CONTENT_TYPE': self.headers.get('Content-Type', ''),
            'CONTENT_LENGTH': length,
            'wsgi.version': (1, 0), 'wsgi.url_scheme': 'http',
            'wsgi.input': self.rfile if length != '0' else io.BytesIO(),
            'wsgi.errors': sys.stderr, 'wsgi.multithread': True,
            'wsgi.multiprocess': False, 'wsgi.run_once': False,
        }
        for name, value in self.headers.items():
            key = 'HTTP_' + name.upper().replace('-', '_')
            # A header with _ would pass for one with -, past whoever
            # removes the latter.
            if '_' not in name and key not in ('HTTP_CONTENT_TYPE',
                                               'HTTP_CONTENT_LENGTH'):
                environ[key] = (f'{environ[key]}, {value}'
                                if key in environ else value)
        return environ

    def log_message(self, format: str, *args: Any) -> None:
        """One line a request, to the log."""
        LOG.info('%s %s', self.address_string(), format % args)


def serve(app: WSGIApp, host: str, port: int) -> Server:
    """Serve in threads of this process; ``shutdown()`` ends it.

    :param port: 0 for any free one; ``server_address`` tells which.
    """
    listening = Server(app, host, port)
    threading.Thread(target=listening.serve_forever, name='api',
                     kwargs={'poll_interval': 0.1}, daemon=True).start()
    LOG.info('Listening on %s', listening.server_address)
    return listening
