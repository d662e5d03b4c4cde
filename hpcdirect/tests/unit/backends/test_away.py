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

"""A Heat that is there and does not answer: every look ends in time."""

import contextlib
import socket
import struct
import threading
import time
from unittest import mock

import testtools

from hpcdirect import transport
from hpcdirect.backends.heat import HeatBackend
from hpcdirect.backends.heat.stacks import Stacks
from hpcdirect.exception import BackendUnavailable
from hpcdirect.exception import Unavailable
from hpcdirect.keystone import Keystone
from hpcdirect.tests.unit import test_keystone

#: What a client that has no limit would wait for.
_FOREVER = 60.0


class Heat:
    """Takes connections; what it does with them is *mode*."""

    def __init__(self):
        self.mode = self.silent
        self.asked = 0
        self._over = threading.Event()
        self._server = socket.create_server(('127.0.0.1', 0))
        self.url = f'http://127.0.0.1:{self._server.getsockname()[1]}/v1/p'
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._over.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self._server.accept()[0]
                self.asked += 1
                threading.Thread(target=self._answer, args=(connection,),
                                 daemon=True).start()

    def _answer(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            self.mode(connection)

    def silent(self, connection):
        self._over.wait(_FOREVER)

    def dripping_headers(self, connection):
        self._drip(connection, b'HTTP/1.1 200 OK\r\nX-Slow: ')

    def dripping_body(self, connection):
        self._drip(connection, b'HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n'
                   b'Content-Type: application/json\r\n\r\n')

    def _drip(self, connection, first):
        connection.sendall(first)
        while not self._over.wait(0.05):
            connection.sendall(b' ')

    def reset(self, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              struct.pack('ii', 1, 0))

    def cut_headers(self, connection):
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Ty')

    def cut_body(self, connection):
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n'
                           b'Content-Type: application/json\r\n\r\n{')

    def away(self, connection):
        connection.sendall(b'HTTP/1.1 503 Service Unavailable\r\n'
                           b'Content-Length: 0\r\nConnection: close\r\n\r\n')

    def well(self, connection):
        """No such stack."""
        connection.sendall(b'HTTP/1.1 404 Not Found\r\n'
                           b'Content-Length: 0\r\nConnection: close\r\n\r\n')


class Cloud(test_keystone.Cloud):
    """Keystone, and where the other services are."""

    def _setUp(self):
        super()._setUp()
        self.services = {}

    def token(self, body):
        status, said, token = super().token(body)
        said['token']['catalog'] += [
            {'type': kind, 'name': kind, 'id': kind, 'endpoints': [
                {'interface': 'internal', 'region_id': 'one',
                 'region': 'one', 'id': kind, 'url': url}]}
            for kind, url in self.services.items()]
        return status, said, token


class AwayTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.heat = Heat()
        self.addCleanup(self.heat.close)
        self.cloud = self.useFixture(Cloud(''))
        self.cloud.roles['lab'] = self.cloud.roles['other'] = ['member']
        self.cloud.services = {'orchestration': self.heat.url}
        self.keystone = self.known(timeout=10, deadline=20)

    def known(self, **values):
        """Of a process that has its token already."""
        keystone = Keystone(test_keystone.configured(
            self.cloud.url, **values))
        limit = time.monotonic() + 60
        while True:
            self.assertLess(time.monotonic(), limit)
            # On a busy machine Keystone may be late as well.
            with contextlib.suppress(Unavailable):
                keystone.allowed('lab')
                return keystone

    def look(self, project='lab'):
        """What was said when a look failed, and after how many seconds."""
        stacks, begun = Stacks(self.keystone, project, 10), time.monotonic()
        said = ''
        with self.keystone.together():
            try:
                stacks.get('c1')
            except BackendUnavailable as exc:
                said = str(exc)
        return said, time.monotonic() - begun

    def given_up(self):
        """Ask until Heat is left alone; how often it was asked."""
        limit = time.monotonic() + 30
        while 'has not answered' not in self.look()[0]:
            self.assertLess(time.monotonic(), limit)
        self.assertEqual(3, self.heat.asked)
        return self.heat.asked

    def test_every_look_ends(self):
        for mode in (self.heat.silent, self.heat.dripping_headers,
                     self.heat.dripping_body, self.heat.reset,
                     self.heat.cut_headers, self.heat.cut_body,
                     self.heat.away):
            self.heat.mode = mode
            backend = HeatBackend(test_keystone.configured(self.cloud.url))
            backend._keystone = self.known(timeout=0.2, deadline=0.5)
            begun = time.monotonic()
            problem = self.assertRaises(BackendUnavailable, backend.observe,
                                        'lab/c1')
            self.assertIn('Heat, stack', str(problem), mode.__name__)
            self.assertLess(time.monotonic() - begun, _FOREVER / 2,
                            mode.__name__)

    def test_the_deadline_is_for_all_together(self):
        self.heat.mode = self.heat.dripping_body
        self.keystone = self.known(timeout=0.2, deadline=0.5)
        said, _ = self.look()
        self.assertIn('did not answer within 0.5 s', said)
        self.assertEqual(1, self.heat.asked)

    def test_one_that_fails_is_left_alone_and_asked_again(self):
        self.heat.mode = self.heat.reset
        asked = self.given_up()
        # Whoever needs it, of any project, is told at once and why.
        for project in ('lab', 'other'):
            said, _ = self.look(project)
            self.assertIn('has not answered 3 times in a row', said)
            self.assertIn('asked again in', said)
        self.assertEqual(asked, self.heat.asked)
        self.heat.mode = self.heat.well
        limit = time.monotonic() + 30
        while self.look()[0]:
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.05)
        self.assertEqual(asked + 1, self.heat.asked)

    def test_one_request_finds_out_whether_it_is_back(self):
        endpoints = transport.Endpoints()
        url = self.heat.url
        for _ in range(3):
            with contextlib.suppress(OSError), endpoints.asked(url):
                raise OSError('gone')
        limit = time.monotonic() + 30
        while True:
            self.assertLess(time.monotonic(), limit)
            try:
                with endpoints.asked(url) as answers:
                    self.assertRaises(transport.EndpointDown, next, iter(
                        self.entered(endpoints, url)))
                    answers.append(200)
                break
            except transport.EndpointDown:
                time.sleep(0.05)
        with endpoints.asked(url) as answers:
            answers.append(404)

    @staticmethod
    def entered(endpoints, url):
        with endpoints.asked(url):
            yield

    def test_other_services_are_asked_meanwhile(self):
        self.heat.mode = self.heat.reset
        self.given_up()
        self.assertTrue(self.keystone.allowed('lab'))
        self.assertEqual('u-1', self.keystone.identity().id)

    def test_a_clock_that_is_put_back_holds_nothing_up(self):
        self.heat.mode = self.heat.well
        with mock.patch('time.time', autospec=True,
                        return_value=time.time()):
            stacks = Stacks(self.keystone, 'lab', 10)
        with mock.patch('time.time', autospec=True,
                        return_value=time.time() - 3600), \
                self.keystone.together():
            self.assertIsNone(stacks.get('c1'))
        self.assertEqual(1, self.heat.asked)
