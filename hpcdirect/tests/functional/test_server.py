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

"""The HTTP server, the commands of the database, and the threads."""

import contextlib
import http.client
import io
import json
import pathlib
import re
import resource
import shutil
import socket
import sys
import tempfile
import threading
import time

import fixtures
import testtools

from hpcdirect.api import server
from hpcdirect.cmd import db_manage
from hpcdirect.db.migrations import versions
from hpcdirect.tests.functional.api import Api
from hpcdirect.tests.functional.api import basic

POST = b'POST /v1/clusters HTTP/1.1\r\nHost: x\r\n'


class Case(testtools.TestCase):
    """A server in this process, that whoever asks is believed by."""

    def setUp(self):
        super().setUp()
        self.serve()

    def serve(self, app=None, **options):
        self.api = self.useFixture(Api(port=0, **options))
        self.server = server.serve(app or self.api.app, self.api.conf)
        self.addCleanup(self.server.shutdown)
        self.address = self.server.address

    def connect(self):
        connection = socket.create_connection(self.address, 60)
        self.addCleanup(connection.close)
        return connection

    def raw(self, text):
        """All that is answered to these bytes, until the server closes."""
        connection = self.connect()
        connection.sendall(text)
        answer = b''
        # What was not read any more comes back as a reset.
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                answer += data
        return answer

    def get(self, path='/v1'):
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        self.addCleanup(connection.close)
        connection.request('GET', path)
        answer = connection.getresponse()
        answer.read()
        return answer.status


class ServerTests(Case):
    """hpcdirect.api.server"""

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

    def test_requests_that_are_refused(self):
        for status, text in (
                (413, POST + b'Content-Length: 9999999\r\n\r\n'),
                (400, POST + b'Content-Length: -5\r\n\r\n'),
                (400, POST + b'Content-Length: +5\r\n\r\n12345'),
                (400, POST + b'Content-Length: 5\r\nContent-Length: 6\r\n'
                 b'\r\n12345'),
                (501, POST + b'Transfer-Encoding: gzip\r\n\r\n'),
                (400, b'GET /v1 HTTP/1.1\r\nHost : x\r\n\r\n'),
                (400, b'nonsense\r\n\r\n'),
                (431, b'GET /v1 HTTP/1.1\r\n' + b'X: ' + b'x' * 40000
                 + b'\r\n\r\n'),
                (431, b'GET /v1 HTTP/1.1\r\n' + b''.join(
                    b'X%d: x\r\n' % number for number in range(5000))
                 + b'\r\n')):
            answer = self.raw(text)
            head, _, body = answer.partition(b'\r\n\r\n')
            self.assertEqual(str(status), head.split()[1].decode(), text[:90])
            error = json.loads(body)['errors'][0]
            self.assertEqual(status, error['status'])
            self.assertTrue(error['detail'])
            # There is one answer, not one more to what followed.
            self.assertEqual(1, answer.count(b'HTTP/1.'), text[:90])

    def test_a_body_is_never_the_next_request(self):
        inner = b'GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n'
        length = b'Content-Length: %d\r\nConnection: close\r\n\r\n' % len(
            inner)
        for first in (b'POST /%ff HTTP/1.1\r\n',
                      b'POST /v1/clusters?%ff HTTP/1.1\r\n',
                      b'POST /v1?' + b'a&' * 100 + b' HTTP/1.1\r\n',
                      b'POST /v1/clusters HTTP/1.1\r\nX-Roles: x\r\n',
                      b'PUT /v1/clusters HTTP/1.1\r\n',
                      b'POST /' + b'x' * 9000 + b' HTTP/1.1\r\n'):
            answer = self.raw(first + b'Host: x\r\n' + length + inner)
            self.assertEqual(1, answer.count(b'HTTP/1.1 '), answer)
            self.assertRegex(answer, rb'HTTP/1.1 4\d\d ')

    def test_chunks_are_taken(self):
        body = b'{"name": "demo", "blueprint": "small"}'
        self.assertIn(b' 202 ', self.raw(
            POST + b'Content-Type: application/json\r\nConnection: close\r\n'
            b'Transfer-Encoding: chunked\r\n\r\n'
            + b'%x\r\n%s\r\n0\r\n\r\n' % (len(body), body)))

    def test_underscores_do_not_pass_for_dashes(self):
        answer = self.raw(
            b'GET /v1/clusters HTTP/1.1\r\nHost: x\r\nX-Roles: x\r\n'
            b'X_Roles: admin\r\nConnection: close\r\n\r\n')
        self.assertIn(b' 403 ', answer)

    def test_the_log_holds_nothing_that_a_terminal_carries_out(self):
        log = self.useFixture(fixtures.FakeLogger(
            'hpcdirect.api.server', format='%(message)s'))
        for path in (b'/sec-\x1b[31m?%1b%0a', b'/sec-\x9b\xe2\x80\xae'):
            self.raw(b'GET ' + path + b' HTTP/1.1\r\nHost: x\r\n'
                     b'Connection: close\r\n\r\n')
        self.assertIn(r'"GET /sec-\x1b[31m?%1b%0a" 404', log.output)
        self.assertIn('400 Bad Request', log.output)
        self.assertTrue(re.fullmatch('[ -~\n]*', log.output), log.output)


class SlowTests(Case):
    """Those who ask slowly, or not at all, keep nobody else waiting"""

    def setUp(self):
        testtools.TestCase.setUp(self)

    def test_what_is_not_whole_in_time(self):
        self.serve(request_seconds=1.0, threads=2)
        stalled = [self.connect() for _ in range(9)]
        for number, connection in enumerate(stalled):
            connection.sendall((
                b'GET /v1 HTTP', POST, POST + b'Content-Length: 1000\r\n\r\n{'
            )[number % 3])
        self.assertEqual(200, self.get())
        for connection in stalled:
            self.assertIn(b' 408 ', connection.makefile('rb').read())

    def test_a_byte_now_and_then_does_not_help(self):
        self.serve(request_seconds=1.0)
        connection = self.connect()
        connection.settimeout(0.1)
        connection.sendall(POST + b'Content-Length: 100000\r\n\r\n')
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                answer = connection.recv(1000)
                break
            connection.sendall(b' ')
        self.assertIn(b' 408 ', answer)

    def test_a_thousand_idle_connections(self):
        self.serve(max_connections=400)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE,
                        (soft, hard))
        before = threading.active_count()
        for _ in range(1000):
            idle = socket.socket()
            self.addCleanup(idle.close)
            idle.setblocking(False)
            idle.connect_ex(self.address)
        # Those in the queue of the kernel get their place as others go.
        self.assertEqual(200, self.get())
        self.assertEqual(before, threading.active_count())
        self.assertLessEqual(len(self.server.active_channels), 400)

    def test_an_end_answers_what_was_asked(self):
        asked, go = threading.Event(), threading.Event()

        def app(environ, start):
            asked.set()
            go.wait(60)
            start('200 OK', [('Content-Length', '2')])
            return [b'ok']

        self.serve(app)
        connection = self.connect()
        connection.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        asked.wait(60)
        ending = threading.Thread(target=self.server.shutdown)
        ending.start()
        self.wait_until_refused()
        go.set()
        self.assertTrue(connection.makefile('rb').read().endswith(b'ok'))
        ending.join()

    def test_an_end_while_the_loop_wakes_by_itself(self):
        self.serve()
        trigger, thread = self.server.trigger, self.server._thread
        pull = trigger._physical_pull

        def late():
            # A turn of the loop takes a second at most.
            thread.join(1.5)
            pull()

        trigger._physical_pull = late
        self.server.shutdown()
        self.assertFalse(thread.is_alive())

    def test_an_end_while_an_answer_wakes_the_loop(self):
        self.serve()
        trigger, thread = self.server.trigger, self.server._thread
        pull = trigger._physical_pull

        def after_another():
            pull()
            thread.join(60)
            pull()

        trigger._physical_pull = after_another
        self.server.shutdown()
        self.assertFalse(thread.is_alive())

    def wait_until_refused(self):
        end = time.monotonic() + 60
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < end:
                socket.create_connection(self.address, 60).close()

    def test_many_at_once(self):
        self.serve(auth_strategy='basic', threads=8, max_connections=100)
        (self.api.folder / 'users').write_text('')
        statuses = []

        def ask():
            connection = http.client.HTTPConnection(*self.address,
                                                    timeout=120)
            with contextlib.closing(connection):
                for _ in range(10):
                    connection.request('GET', '/v1/clusters', headers={
                        'Authorization': basic('nobody', 'x')})
                    answer = connection.getresponse()
                    answer.read()
                    statuses.append(answer.status)

        asking = [threading.Thread(target=ask) for _ in range(80)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        self.assertEqual({401}, set(statuses) - {429})
        self.assertEqual(800, len(statuses))
        self.assertEqual(200, self.get())


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
