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

"""Horizon or Heat's API by waitress on four threads; Horizon is measured.

    portal_app.py horizon|heat PORT [ARGUMENTS...]

An answer of Horizon has ``X-Measured``: seconds until it was made, seconds of
CPU of the thread that made it, and how many requests it sent to APIs, but for
Keystone, which Horizon asks twice for every page. Runs in the portal's
environment, see portal.py.
"""

import importlib
import os
import sys
import threading
import time

from requests import adapters
import waitress

_APPLICATIONS = {'horizon': 'openstack_dashboard.wsgi',
                 'heat': 'heat.wsgi.api'}
_sent = threading.local()
_send = adapters.HTTPAdapter.send


def _counted(self, request, *args, **kwargs):
    if not request.url.startswith(os.environ['HPCDIRECT_PORTAL_KEYSTONE']):
        _sent.count = getattr(_sent, 'count', 0) + 1
    return _send(self, request, *args, **kwargs)


def measured(application):
    """*application*, which tells what each answer took."""
    def measuring(environ, start):
        begun, spent = time.perf_counter(), time.thread_time()
        _sent.count = 0

        # Django begins to answer when all of the page is there.
        def started(status, headers, *more):
            took = time.perf_counter() - begun
            cpu = time.thread_time() - spent
            return start(status, [*headers, (
                'X-Measured', f'{took:.6f} {cpu:.6f} {_sent.count}')], *more)
        return application(environ, started)
    return measuring


def main() -> None:
    """Serve until a signal ends it."""
    name, port, *arguments = sys.argv[1:]
    sys.argv[1:] = arguments
    application = importlib.import_module(_APPLICATIONS[name]).application
    if name == 'horizon':
        adapters.HTTPAdapter.send = _counted
        application = measured(application)
    waitress.serve(application, listen=f'127.0.0.1:{port}', ident=None,
                   threads=4, connection_limit=500)


if __name__ == '__main__':
    main()
