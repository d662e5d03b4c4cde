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

"""A token that expires while somebody follows is replaced by another."""

import http.server
import json
import threading
import uuid

import fixtures

from hpcdirect.tests.unit.client import base
from hpcdirect.tests.unit.client import stub


class Keystone(fixtures.Fixture):
    """Gives tokens for a password; ``valid`` are those that count.

    :param endpoint: of the service, as the catalogue has it.
    """

    def __init__(self, endpoint):
        super().__init__()
        self.endpoint = endpoint
        self.valid = set()
        self.given = 0

    def _setUp(self):
        server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), self._handler())
        server.daemon_threads = True
        self.url = f'http://127.0.0.1:{server.server_address[1]}/v3'
        threading.Thread(target=server.serve_forever, args=(0.02,),
                         daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)

    def token(self):
        """A new token, and what is said of it."""
        self.given += 1
        text = uuid.uuid4().hex
        self.valid.add(text)
        return text, {'token': {
            'methods': ['password'], 'roles': [{'id': 'r', 'name': 'member'}],
            'expires_at': '2100-01-01T00:00:00.000000Z',
            'issued_at': '2026-01-01T00:00:00.000000Z',
            'user': {'id': 'u', 'name': stub.USER, 'domain': {
                'id': 'default', 'name': 'Default'}},
            'project': {'id': 'p', 'name': 'ours', 'domain': {
                'id': 'default', 'name': 'Default'}},
            'catalog': [{'type': 'hpc-cluster', 'name': 'hpcdirect',
                         'id': 'c', 'endpoints': [{
                             'id': 'e', 'interface': 'public',
                             'region': 'one', 'region_id': 'one',
                             'url': self.endpoint}]}]}}

    def _handler(keystone):
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                self._say(200, {'version': {
                    'id': 'v3.14', 'status': 'stable', 'links': [
                        {'rel': 'self', 'href': keystone.url}]}})

            def do_POST(self):
                self.rfile.read(int(self.headers['Content-Length']))
                text, said = keystone.token()
                self._say(201, said, **{'X-Subject-Token': text})

            def _say(self, status, body, **headers):
                content = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {
                        'Content-Type': 'application/json',
                        'Content-Length': str(len(content)),
                        **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        return Handler


class ExpiryTest(base.ClientTest):

    def setUp(self):
        super().setUp()
        self.keystone = self.useFixture(Keystone(self.stub.url))
        self.stub.tokens = self.keystone.valid
        self.clouds(auth_type='v3password', region_name='one', auth={
            'auth_url': self.keystone.url, 'username': stub.USER,
            'password': stub.PASSWORD, 'project_name': 'ours',
            'user_domain_id': 'default', 'project_domain_id': 'default'})

    def after(self, *answers):
        """Answers, after each of which the token counts no more."""
        def answered(answer):
            def later(query):
                self.keystone.valid.clear()
                return answer
            return later

        return [answered(answer) for answer in answers]

    def test_log(self):
        self.stub.answer('GET', '/runs/run/log', *self.after(*(
            {'text': f'{number}\n', 'offset': number, 'complete': False,
             'next_offset': number + 1} for number in range(3))),
            {'text': '', 'offset': 3, 'next_offset': 3, 'complete': True})
        code, out, err = self.openstack(
            'hpc', 'run', 'log', 'run', '--follow', '--poll-interval', '0.01')
        self.assertEqual((0, '0\n1\n2\n'), (code, out), err)
        self.assertEqual(4, self.keystone.given)

    def test_create_and_events(self):
        self.stub.answer('POST', '/clusters', *self.after(
            (202, stub.cluster())))
        self.stub.answer('GET', '/clusters/demo', stub.cluster())
        self.stub.answer('GET', '/clusters/id-demo', stub.cluster())
        self.stub.events = [stub.event(3), stub.event(5)]
        self.stub.answer('GET', '/deployments/dep', *self.after(
            stub.deployment('RUNNING'), stub.deployment()),
            stub.deployment())
        code, _, err = self.openstack(
            'hpc', 'cluster', 'create', 'demo', '--blueprint', 'slurm',
            '--follow', '--poll-interval', '0.1')
        self.assertEqual(0, code, err)
        self.assertIn('Task 5', err)
        self.assertIn('create: done', err)
        given = self.keystone.given
        self.assertLess(2, given)
        self.stub.answer('GET', '/deployments/dep', *self.after(
            stub.deployment('RUNNING'), stub.deployment()),
            stub.deployment())
        code, out, err = self.openstack(
            'hpc', 'event', 'list', 'demo', '--follow', '-f', 'json',
            '--poll-interval', '0.1')
        self.assertEqual(0, code, err)
        self.assertEqual([3, 5], [json.loads(line)['id']
                                  for line in out.splitlines()])
        self.assertLess(given + 1, self.keystone.given)
