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

"""Runs real ``openstack`` commands against the stub, in this process."""

import configparser
import contextlib
import importlib.metadata
import io
import logging
import pathlib
import sys
import tempfile
from unittest import mock

import fixtures
import testtools
import yaml

from hpcdirect.tests.unit.client import stub

ROOT = pathlib.Path(__file__).resolve().parents[4]


def installed():
    """A folder to put on the path so that our entry points are found.

    None when the distribution is installed already.
    """
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        importlib.metadata.distribution('hpcdirect')
        return None
    setup = configparser.ConfigParser(delimiters=('=',))
    setup.optionxform = str
    setup.read(ROOT / 'setup.cfg')
    folder = pathlib.Path(tempfile.gettempdir(), 'hpcdirect-entry-points')
    info = folder / 'hpcdirect-0.1.0.dist-info'
    info.mkdir(parents=True, exist_ok=True)
    (info / 'METADATA').write_text(
        'Metadata-Version: 2.1\nName: hpcdirect\nVersion: 0.1.0\n')
    (info / 'entry_points.txt').write_text(''.join(
        f'[{group}]{names}\n\n'
        for group, names in setup['entry_points'].items()))
    return folder


_FOLDER = installed()
if _FOLDER is not None:
    sys.path.append(str(_FOLDER))


class Stream(io.StringIO):
    """Text that may say that it is a terminal."""

    terminal = False

    def isatty(self):
        return self.terminal


class ClientTest(testtools.TestCase):
    """Has a service, a clouds.yaml and a way to run commands."""

    def setUp(self):
        super().setUp()
        self.stub = self.useFixture(stub.Stub())
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.clouds(auth_type='http_basic', auth={
            'endpoint': self.stub.url, 'username': stub.USER,
            'password': stub.PASSWORD})
        for name, value in (
                ('OS_CLIENT_CONFIG_FILE', str(self.home / 'clouds.yaml')),
                ('OS_CLOUD', None), ('HOME', str(self.home)),
                ('XDG_CACHE_HOME', str(self.home / 'cache'))):
            self.useFixture(fixtures.EnvironmentVariable(name, value))
        self.useFixture(fixtures.FakeLogger(
            level=logging.WARNING, nuke_handlers=True))

    def clouds(self, **cloud):
        """Write clouds.yaml."""
        (self.home / 'clouds.yaml').write_text(
            yaml.safe_dump({'clouds': {'test': cloud}}))

    def openstack(self, *argv, terminal=False, stdin=''):
        """Run a command: its exit code, stdout and stderr."""
        from openstackclient import shell
        from osc_lib import clientmanager

        # osc-lib keeps the first client of a process, on the class.
        vars(clientmanager.ClientManager)['hpc_cluster']._handle = None
        out, err, given = Stream(), Stream(), Stream(stdin)
        err.terminal = given.terminal = terminal
        with mock.patch.multiple(sys, stdout=out, stderr=err, stdin=given):
            app = shell.OpenStackShell()
            app.stdout, app.stderr, app.stdin = out, err, given
            try:
                code = app.run(['--os-cloud', 'test', *argv])
            except SystemExit as exc:
                code = exc.code
        return code, out.getvalue(), err.getvalue()
