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

"""Serves Keystone or Horizon on one port of this machine.

    serve.py keystone|horizon|horizon-dark PORT [THREADS]

Told where their settings are by the environment: OS_KEYSTONE_CONFIG_FILES,
HPCDIRECT_PORTAL_STATE.
"""

import importlib
import sys

import waitress
import whitenoise

_APPLICATIONS = {'keystone': 'keystone.wsgi.api',
                 'horizon': 'openstack_dashboard.wsgi'}


def main() -> None:
    """Serve until a signal ends it."""
    name, port, *threads = sys.argv[1:]
    # Keystone reads a command line of its own.
    sys.argv[1:] = []
    name = name.partition('-')[0]
    application = importlib.import_module(_APPLICATIONS[name]).application
    if name == 'horizon':
        from django.conf import settings
        application = whitenoise.WhiteNoise(
            application, root=settings.STATIC_ROOT, prefix='static/')
    waitress.serve(application, listen=f'127.0.0.1:{port}', ident=None,
                   threads=int(threads[0]) if threads else 4)


if __name__ == '__main__':
    main()
