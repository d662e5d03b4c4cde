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

"""What the service shows of itself, and to whom."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import testtools

from hpcdirect.cmd import parts
from hpcdirect.db import migration
from hpcdirect.db.session import Database
from hpcdirect.exception import Unavailable
from hpcdirect.tests.functional import databases
from hpcdirect.tests.functional.api import Api


class LinkTests(testtools.TestCase):
    """Where links lead to"""

    def links(self, api, **headers):
        created = api.call('POST', '/v1/clusters',
                           {'name': 'demo', 'blueprint': 'small'}, **headers)
        listed = api.call('GET', '/v1/clusters?limit=1', **headers).json
        return [
            api.call('GET', '/v1', **headers).json['version']['links'][0][
                'href'],
            created.headers['location'],
            created.json['links'][0]['href'], listed['links'][0]['href']]

    def test_public_endpoint(self):
        api = self.useFixture(Api(
            public_endpoint='https://hpc.example.org:8443/hpc/'))
        for link in self.links(api, HOST='evil.example.com'):
            self.assertTrue(link.startswith(
                'https://hpc.example.org:8443/hpc/v1'), link)

    def test_host(self):
        api = self.useFixture(Api())
        for link in self.links(api, HOST='[::1]:9517'):
            self.assertTrue(link.startswith('http://[::1]:9517/v1'), link)
        for host in ('evil.example.com/x?', 'a b', 'a@b', '"><script>',
                     'x' * 300, 'a:99999999', 'a\r\nX: y', '[zz]'):
            self.assertEqual(400, api.call('GET', '/v1', HOST=host).status,
                             host)


class NoauthTests(testtools.TestCase):
    """auth_strategy = noauth is for one machine only"""

    def conf(self, host, strategy='noauth'):
        conf = databases.configuration('sqlite://')
        conf.set_override('host', host, 'api')
        conf.set_override('auth_strategy', strategy, 'api')
        return conf

    def test_where_it_starts(self):
        for host in ('127.0.0.1', '127.8.9.1', '::1', 'localhost'):
            parts.check_exposed(self.conf(host), host)
        for host in ('0.0.0.0', '::', '192.0.2.1', None):  # noqa: S104
            self.assertRaises(Unavailable, parts.check_exposed,
                              self.conf('127.0.0.1'), host)
            parts.check_exposed(self.conf('127.0.0.1', 'basic'), host)

    def test_the_services_say_so(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix='hd-'))
        self.addCleanup(shutil.rmtree, folder)
        (folder / 'hpcdirect.conf').write_text(
            f'[DEFAULT]\nstate_path = {folder}\n'
            '[api]\nauth_strategy = noauth\nhost = 0.0.0.0\nport = 0\n')
        for name in ('api', 'all_in_one'):
            done = subprocess.run(
                [sys.executable, '-c', f'from hpcdirect.cmd import {name}; '
                 f'raise SystemExit({name}.main())', '--config-file',
                 str(folder / 'hpcdirect.conf')],
                capture_output=True, text=True, timeout=120)
            self.assertEqual(1, done.returncode, done.stderr)
            self.assertIn('lets everybody do everything', done.stderr)
            self.assertNotIn('Traceback', done.stderr)


class FileTests(testtools.TestCase):
    """The file of a SQLite database"""

    def test_nobody_else_reads_it(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix='hd-'))
        self.addCleanup(shutil.rmtree, folder)
        self.addCleanup(os.umask, os.umask(0))
        for make in (migration.upgrade, Database):
            path = folder / f'{make.__name__}.sqlite'
            conf = databases.configuration(f'sqlite:///{path}')
            make(conf)
            self.assertEqual(0o600, path.stat().st_mode & 0o777)
        # One of an earlier release, which everybody could read.
        path.chmod(0o644)
        database = Database(conf)
        with database.write():
            modes = {one.name: oct(one.stat().st_mode & 0o777)
                     for one in folder.iterdir()}
        self.assertEqual({'0o600'}, set(modes.values()), modes)
        database.engine.dispose()
