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

"""hpc cluster ssh, open and config: real ssh, by way of a real host."""

import functools
import http.server
import os
import signal
import subprocess
import sys
import threading
import urllib.request

import yaml

from hpcdirect.tests.functional import sshd_nodes
from hpcdirect.tests.unit.client import stub

SHELL = ('import sys; from hpcdirect.tests.unit.client import base; '
         'from openstackclient import shell; '
         'sys.exit(shell.main(sys.argv[1:]))')


class SshTest(sshd_nodes.NodesCase):

    names = ('head-0', 'compute-0')

    def setUp(self):
        self.api = stub.Stub()
        self.api.setUp()
        self.addCleanup(self.api.cleanUp)
        self.home = self.folder / 'home'
        self.home.mkdir(exist_ok=True)
        (self.home / 'clouds.yaml').write_text(yaml.safe_dump({'clouds': {
            'test': {'auth_type': 'http_basic', 'auth': {
                'endpoint': self.api.url, 'username': stub.USER,
                'password': stub.PASSWORD}}}}))
        self.environment = {
            **os.environ, 'HOME': str(self.home),
            'ANSIBLE_HOME': str(self.home / 'ansible'),
            'OS_CLIENT_CONFIG_FILE': str(self.home / 'clouds.yaml')}
        self.keys = {name: node.host_key
                     for name, node in self.nodes.items()}

    def told(self, **more):
        """What the service says: the node is reached by way of the head."""
        head, node = self.nodes['head-0'], self.nodes['compute-0']
        found = [{'id': name, 'name': name, 'group': name[:-2],
                  'status': 'UP', 'ssh': {
                      'host': '127.0.0.1', 'port': one.port, 'user': 'root',
                      'via': f'root@127.0.0.1:{head.port}'
                      if one is node else '', 'host_key': self.keys[name]}}
                 for name, one in self.nodes.items()]
        self.api.answer('GET', '/clusters/demo', stub.cluster(
            parameters={}, login={
                'node': 'head-0', 'group': 'head', 'address': '127.0.0.1',
                'port': head.port, 'via': '',
                'host_key': self.keys['head-0']}, **more))
        self.api.answer('GET', '/clusters/id-demo/nodes', {
            'nodes': found, 'links': []})

    def run_it(self, *argv):
        return subprocess.run(argv, capture_output=True, text=True,
                              env=self.environment, timeout=300,
                              stdin=subprocess.DEVNULL)

    def hpc(self, *words):
        self.told()
        return self.run_it(sys.executable, '-c', SHELL, '--os-cloud', 'test',
                           'hpc', 'cluster', *words)

    def ssh(self, *words):
        return self.hpc('ssh', 'demo', '--user', 'root', '--identity',
                        str(self.folder / 'key'), *words)

    def test_through_the_head(self):
        done = self.ssh('--node', 'compute-0', '--', 'sh', '-c',
                        'echo "$SSH_CONNECTION"; exit 3')
        self.assertEqual(3, done.returncode, done.stderr)
        self.assertTrue(done.stdout.strip().endswith(
            f'127.0.0.1 {self.nodes["compute-0"].port}'), done.stdout)

    def test_a_page_through_a_tunnel(self):
        (self.home / 'page').mkdir()
        (self.home / 'page' / 'word').write_text('told')
        there = self.serving(self.home / 'page')
        self.told(titled_outputs=[{
            'name': 'page', 'title': 'A page', 'description': '',
            'kind': 'url', 'value': f'http://127.0.0.1:{there}/word'}])
        # Whoever runs the tests in the background has it ignored.
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(
            signal.SIGINT, signal.default_int_handler))
        for end in (signal.SIGINT, signal.SIGTERM):
            opening = subprocess.Popen(
                [sys.executable, '-c', SHELL, '--os-cloud', 'test', 'hpc',
                 'cluster', 'open', 'demo', '--no-browser', '--user', 'root',
                 '--identity', str(self.folder / 'key')],
                stdout=subprocess.PIPE, text=True, env=self.environment,
                stdin=subprocess.DEVNULL)
            self.addCleanup(opening.wait)
            self.addCleanup(opening.kill)
            self.addCleanup(opening.stdout.close)
            here = opening.stdout.readline().strip()
            self.assertNotIn(str(there), here)
            with urllib.request.urlopen(here, timeout=300) as answer:
                self.assertEqual(b'told', answer.read())
            opening.send_signal(end)
            self.assertEqual(0, opening.wait(300))
            with self.assertRaises(OSError):
                urllib.request.urlopen(here, timeout=300)

    def serving(self, folder):
        """The port of a web server of the files in a folder."""
        server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), functools.partial(
                http.server.SimpleHTTPRequestHandler, directory=folder))
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever).start()
        return server.server_port

    def test_keys_are_checked_on_the_whole_way(self):
        for name in self.names:
            self.keys = {one: node.host_key
                         for one, node in self.nodes.items()}
            self.keys[name] = self.nodes[next(
                one for one in self.names if one != name)].host_key
            done = self.ssh('--node', 'compute-0', '--', 'true')
            self.assertEqual(255, done.returncode, name)
            self.assertIn('Host key verification failed', done.stderr)

    def test_config(self):
        file = self.home / 'config'
        done = self.hpc('config', 'demo', '--user', 'root', '--identity',
                        str(self.folder / 'key'), '--output', str(file))
        self.assertEqual(0, done.returncode, done.stderr)
        for name in ('demo', 'demo-head-0', 'demo-compute-0'):
            done = self.run_it('ssh', '-F', str(file), '-o', 'BatchMode=yes',
                               name, 'echo here')
            self.assertEqual((0, 'here\n'), (done.returncode, done.stdout),
                             done.stderr)

    def test_inventory(self):
        file = self.home / 'hosts.yaml'
        done = self.hpc('config', 'demo', '--inventory', '--user', 'root',
                        '--identity', str(self.folder / 'key'), '--output',
                        str(file))
        self.assertEqual(0, done.returncode, done.stderr)
        done = self.run_it(
            sys.executable, '-m', 'ansible', 'adhoc', '-i', str(file), 'all',
            '-m', 'raw', '-a', 'echo {{ inventory_hostname }} is here')
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        for name in self.names:
            self.assertIn(f'{name}.demo is here', done.stdout)
