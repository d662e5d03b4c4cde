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

"""The small HTTP server, the commands of the database, and the threads."""

import contextlib
import http.client
import io
import pathlib
import shutil
import socket
import sys
import tempfile

import testtools

from hpcdirect.api import server
from hpcdirect.cmd import db_manage
from hpcdirect.db.migrations import versions
from hpcdirect.tests.functional.api import Api


class ServerTests(testtools.TestCase):
    """hpcdirect.api.server"""

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api())
        self.server = server.serve(self.api.app, '127.0.0.1', 0)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.address = self.server.server_address[:2]

    def test_connection_is_kept(self):
        connection = http.client.HTTPConnection(*self.address)
        self.addCleanup(connection.close)
        sockets = set()
        for _ in range(3):
            connection.request('GET', '/v1')
            answer = connection.getresponse()
            self.assertEqual(200, answer.status)
            answer.read()
            sockets.add(connection.sock)
        self.assertEqual(1, len(sockets))
        connection.request('HEAD', '/v1')
        answer = connection.getresponse()
        self.assertEqual((200, b''), (answer.status, answer.read()))
        connection.request('POST', '/v1/clusters', body=b'{}', headers={
            'Content-Type': 'application/json'})
        self.assertEqual(400, connection.getresponse().status)

    def raw(self, text):
        with socket.create_connection(self.address, 10) as connection:
            connection.sendall(text)
            return connection.makefile('rb').read()

    def test_requests_that_are_refused(self):
        self.assertIn(b' 411 ', self.raw(
            b'POST /v1/clusters HTTP/1.1\r\nHost: x\r\n'
            b'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n'))
        self.assertIn(b' 413 ', self.raw(
            b'POST /v1/clusters HTTP/1.1\r\nHost: x\r\n'
            b'Content-Length: 9999999\r\n\r\n'))
        self.assertIn(b' 400 ', self.raw(
            b'POST /v1/clusters HTTP/1.1\r\nHost: x\r\nConnection: close'
            b'\r\nContent-Length: -5\r\n\r\n'))

    def test_underscores_do_not_pass_for_dashes(self):
        answer = self.raw(
            b'GET /v1/clusters HTTP/1.1\r\nHost: x\r\nX-Roles: x\r\n'
            b'X_Roles: admin\r\nConnection: close\r\n\r\n')
        self.assertIn(b' 403 ', answer)


class DatabaseCommandTests(testtools.TestCase):
    """hpcdirect-db-manage"""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='hd-'))
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / 'conf').write_text(
            f'[DEFAULT]\nstate_path = {self.folder}/state\n')

    def run_command(self, name):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            self.assertEqual(0, db_manage.main(
                ['--config-file', str(self.folder / 'conf'), name]))
        return output.getvalue().strip()

    def test_commands(self):
        newest = sorted(path.name for path in pathlib.Path(
            versions.__file__).parent.glob('0*.py'))[-1][:4]
        self.assertEqual(f'empty, newest {newest}',
                         self.run_command('version'))
        self.assertEqual(newest, self.run_command('upgrade'))
        self.assertEqual(newest, self.run_command('upgrade'))
        self.assertEqual(f'{newest}, newest {newest}',
                         self.run_command('version'))
        path = pathlib.Path(self.run_command('create-key'))
        self.assertEqual(0o600, path.stat().st_mode & 0o777)
        before = path.read_bytes()
        self.run_command('create-key')
        self.assertEqual(before, path.read_bytes())


class ThreadTests(testtools.TestCase):
    """No eventlet, whatever is imported"""

    def test_eventlet_is_not_there(self):
        self.assertIsNone(sys.modules['eventlet'])
