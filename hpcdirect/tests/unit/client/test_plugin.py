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

"""The client is light, and can be had by scripts and through Keystone."""

import http.server
import json
import subprocess
import sys
import threading

import openstack
from openstack import exceptions
import testtools

from hpcdirect.client import errors
from hpcdirect.client import plugin
from hpcdirect.client import proxy
from hpcdirect.client import watch
from hpcdirect.tests.unit.client import base
from hpcdirect.tests.unit.client import stub

SERVICE = (
    *(f'hpcdirect.{room}' for room in (
        'api', 'conductor', 'db', 'backends', 'runners', 'planning', 'cmd',
        'conf', 'policies', 'sources', 'keystone', 'trials', 'wsgi')),
    'oslo_messaging', 'sqlalchemy', 'ansible', 'ansible_runner')


class CleanTest(testtools.TestCase):

    def test_nothing_that_a_terminal_would_act_upon(self):
        for text in ('a\x1b[31mb', 'a\u202eb', 'a\u2066b\u2069', 'a\u200fb',
                     'a\u2028b', 'a\rb', 'a\x9bb', 'a\u061cb'):
            self.assertEqual('ab', errors.clean(text), ascii(text))
        # Of scripts that are written that way.
        self.assertEqual('\u0634\u200c\u05d0\n', errors.clean(
            '\u0634\u200c\u05d0\n'))


class ErrorTest(base.ClientTest):
    """What a script learns from an exception."""

    def test_every_finding_is_in_the_text(self):
        refused = stub.error(
            400, 'invalid', 'No.',
            ('$.parameters.compute_count', 'is "a"; it must be a number'),
            ('$.name', 'is too long'))
        for answer in (('POST', '/clusters'), ('PATCH', '/clusters/demo'),
                       ('GET', '/clusters/demo'), ('GET', '/clusters'),
                       ('POST', '/plans'), ('GET', '/capacity')):
            self.stub.answer(*answer, refused)
        hpc = proxy.attach(openstack.connect(cloud='test'))
        for call in (
                lambda: hpc.create_cluster(name='x', blueprint='y'),
                lambda: hpc.change_cluster('demo', name='x'),
                lambda: hpc.get_cluster('demo'),
                lambda: list(hpc.clusters()),
                lambda: hpc.plan(cluster='demo', change={}),
                lambda: hpc.capacity()):
            exc = self.assertRaises(
                exceptions.BadRequestException, call)
            self.assertIn('$.parameters.compute_count: is "a"', str(exc))
            self.assertIn('$.name: is too long', str(exc))
            self.assertEqual(400, exc.status_code)


class ImportTest(base.ClientTest):

    def loaded(self, *modules):
        """The modules that importing some brings along."""
        done = subprocess.run(
            [sys.executable, '-c',
             f'import sys, {", ".join(modules)}; print(*sys.modules)'],
            capture_output=True, text=True, check=True, cwd=base.ROOT)
        return set(done.stdout.split())

    def test_nothing_of_the_service(self):
        folder = base.ROOT / 'hpcdirect' / 'client'
        modules = ['.'.join(file.relative_to(base.ROOT).with_suffix('').parts)
                   for file in folder.rglob('*.py')]
        self.assertIn('hpcdirect.client.osc.cluster', modules)
        found = self.loaded(*modules)
        self.assertEqual(set(), {name for name in found for bad in SERVICE
                                 if (name + '.').startswith(bad + '.')})
        self.assertNotIn('hpcdirect.blueprints.validate', found)

    def test_plugin_is_light(self):
        found = self.loaded('hpcdirect.client.plugin')
        osc = self.loaded('osc_lib.utils')
        more = {name for name in found - osc
                if not name.startswith('hpcdirect')}
        self.assertEqual(set(), more)
        self.assertEqual(
            {'hpcdirect', 'hpcdirect.client', 'hpcdirect.client.plugin'},
            {name for name in found if name.startswith('hpcdirect')})

    def test_every_command_is_there(self):
        import configparser
        import importlib

        setup = configparser.ConfigParser(delimiters=('=',))
        setup.read(base.ROOT / 'setup.cfg')
        lines = setup['entry_points']['openstack.hpc_cluster.v1'].split('\n')
        for line in filter(None, lines):
            module, _, name = line.partition('=')[2].strip().partition(':')
            command = getattr(importlib.import_module(module), name)
            self.assertTrue(command.__doc__, name)
            self.assertEqual(
                name not in ('ExportBlueprint', 'ValidateBlueprint',
                             'TestElement'),
                command.auth_required)
        self.assertEqual('hpc_cluster', plugin.API_NAME)


class ScriptTest(base.ClientTest):

    def connect(self):
        return proxy.attach(openstack.connect(cloud='test'))

    def test_script(self):
        self.stub.answer('POST', '/clusters', (202, stub.cluster()))
        self.stub.answer('GET', '/clusters/id-demo', stub.cluster())
        self.stub.answer('GET', '/deployments/dep',
                         stub.deployment('QUEUED'), stub.deployment())
        hpc = self.connect()
        made = hpc.create_cluster(name='demo', blueprint='slurm',
                                  parameters={})
        self.assertEqual('192.0.2.1', hpc.wait(made).login['address'])
        self.assertEqual(1, len(self.stub.bodies('POST')))

    def test_wait_times_out(self):
        self.stub.answer('GET', '/deployments/dep',
                         stub.deployment('RUNNING'))
        hpc = self.connect()
        self.assertRaises(
            watch.TimedOut, hpc.wait,
            hpc._get_resource(proxy.resources.Cluster, 'demo',
                              deployment={'id': 'dep'}), timeout=0.2)

    def test_endpoint_with_a_version(self):
        self.clouds(auth_type='http_basic', auth={
            'endpoint': f'{self.stub.url}/v1/', 'username': stub.USER,
            'password': stub.PASSWORD})
        self.stub.answer('GET', '/backends', {
            'backends': [{'name': 'local', 'capacity': {}}], 'links': []})
        self.assertEqual(['local'],
                         [one.id for one in self.connect().backends()])

    def test_not_found_is_the_sdks_own(self):
        self.assertRaises(openstack.exceptions.NotFoundException,
                          self.connect().get_cluster, 'nix')


class KeystoneTest(base.ClientTest):
    """Finds the service in Keystone's catalogue by its type."""

    def test_catalogue(self):
        port = self.keystone()
        self.clouds(auth_type='password', region_name='one', auth={
            'auth_url': f'http://127.0.0.1:{port}/v3', 'username': 'ann',
            'password': 'x', 'project_name': 'p',
            'user_domain_id': 'default', 'project_domain_id': 'default'})
        self.stub.reply = lambda *args: (200, {'clusters': [], 'links': []})
        code, out, err = self.openstack('hpc', 'cluster', 'list', '-f',
                                        'json')
        self.assertEqual((0, []), (code, json.loads(out or '0')), err)
        self.assertEqual('the-token',
                         self.stub.headers[-1]['X-Auth-Token'])

    def keystone(self):
        """A server that gives out one token; its port."""
        catalogue = [{'type': 'hpc-cluster', 'name': 'hpcdirect', 'id': 'c',
                      'endpoints': [{
                          'id': 'e', 'interface': 'public', 'region': 'one',
                          'region_id': 'one', 'url': self.stub.url}]}]

        class Keystone(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def answer(self, body, token=''):
                self.rfile.read(int(self.headers.get('Content-Length')
                                    or 0))
                content = json.dumps(body).encode()
                self.send_response(201 if token else 200)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(content)))
                if token:
                    self.send_header('X-Subject-Token', token)
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self):
                self.answer({'version': {
                    'id': 'v3.14', 'status': 'stable', 'links': [
                        {'rel': 'self', 'href': f'http://{url}/v3'}]}})

            def do_POST(self):
                self.answer({'token': {
                    'methods': ['password'], 'catalog': catalogue,
                    'expires_at': '2099-01-01T00:00:00.000000Z',
                    'issued_at': '2026-01-01T00:00:00.000000Z',
                    'user': {'id': 'u', 'name': 'ann', 'domain': {
                        'id': 'default', 'name': 'Default'}},
                    'project': {'id': 'p', 'name': 'p', 'domain': {
                        'id': 'default', 'name': 'Default'}},
                    'roles': []}}, 'the-token')

        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Keystone)
        url = f'127.0.0.1:{server.server_address[1]}'
        threading.Thread(target=server.serve_forever, args=(0.02,),
                         daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server.server_address[1]

