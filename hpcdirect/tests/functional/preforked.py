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
"""A WSGI server as others are: it loads the API once, and forks afterwards.

``HPCDIRECT_PORTS`` names a port for each process, so that a test can speak to
the one that it means.
"""

import contextlib
import faulthandler
import os
import signal
import socket
import sys
from wsgiref import simple_server


class _Handler(simple_server.WSGIRequestHandler):
    """Tells the application that there are several processes."""

    def handle(self):
        self.raw_requestline = self.rfile.readline(65537)
        if self.parse_request():
            handler = simple_server.ServerHandler(
                self.rfile, self.wfile, sys.stderr, self.get_environ(),
                multithread=False, multiprocess=True)
            handler.request_handler = self
            handler.run(self.server.get_app())


def _serve(listener, app):
    server = simple_server.WSGIServer(listener.getsockname(), _Handler,
                                      bind_and_activate=False)
    server.socket = listener
    server.server_name, server.server_port = listener.getsockname()
    server.setup_environ()
    server.set_app(app)
    # As others do, it runs what is to be done at exit.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()


def main():
    """Serve until SIGTERM."""
    from hpcdirect.wsgi import api

    # This package's watchdog is a thread, which a fork does not survive.
    faulthandler.cancel_dump_traceback_later()
    children = []
    for port in os.environ['HPCDIRECT_PORTS'].split():
        listener = socket.create_server(('127.0.0.1', int(port)))
        pid = os.fork()
        if not pid:
            _serve(listener, api.application)
        children.append(pid)
        listener.close()

    def end(*_):
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    for pid in children:
        os.waitpid(pid, 0)
