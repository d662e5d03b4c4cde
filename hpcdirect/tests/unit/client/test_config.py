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

import json
import shlex
import shutil
import stat
import subprocess

import yaml

from hpcdirect.tests.unit.client import base
from hpcdirect.tests.unit.client import stub


class ConfigTest(base.ClientTest):

    def setUp(self):
        super().setUp()
        self.stub.answer('GET', '/clusters/demo', stub.cluster())
        self.nodes(stub.nodes())
        self.file = self.home / 'the config'

    def nodes(self, nodes):
        self.stub.answer('GET', '/clusters/id-demo/nodes', {
            'nodes': nodes, 'links': []})

    def config(self, *argv, code=0):
        got, out, err = self.openstack('hpc', 'cluster', 'config', 'demo',
                                       *argv)
        self.assertEqual(code, got, err)
        return out, err

    def effective(self, host):
        """What ssh itself makes of the file, for a host."""
        done = subprocess.run(
            ['ssh', '-G', '-F', str(self.file), host], check=True,
            capture_output=True, text=True)
        return dict(line.split(' ', 1) for line in done.stdout.splitlines()
                    if ' ' in line)

    def test_ssh(self):
        if not shutil.which('ssh'):
            self.skipTest('needs ssh')
        out, err = self.config('--output', str(self.file), '--identity',
                               '~/my key')
        self.assertEqual('', out)
        self.assertIn('Node compute-2 is left out', err)
        for name in ('demo', 'demo-head-0'):
            login = self.effective(name)
            self.assertEqual(
                ('192.0.2.1', '2222', 'eve', 'hpcdirect-id-demo-head-0'),
                tuple(login[key] for key in ('hostname', 'port', 'user',
                                             'hostkeyalias')))
            self.assertNotIn('proxyjump', login)
        node = self.effective('demo-compute-1')
        self.assertEqual(('10.0.0.6', 'demo-head-0', 'true', 'yes'), tuple(
            node[key] for key in ('hostname', 'proxyjump',
                                  'stricthostkeychecking',
                                  'identitiesonly')))
        self.assertEqual(f'{self.home}/my key', node['identityfile'])
        self.assertEqual(f'{self.file}.known_hosts',
                         node['userknownhostsfile'].strip('"'))
        self.assertEqual('/dev/null', node['globalknownhostsfile'])
        known = self.home / 'the config.known_hosts'
        self.assertEqual(
            'hpcdirect-id-demo-compute-0 ssh-ed25519 Node0\n'
            'hpcdirect-id-demo-compute-1 ssh-ed25519 Node1\n'
            f'hpcdirect-id-demo-head-0 {stub.KEY}\n', known.read_text())
        for file in (self.file, known):
            self.assertEqual(0o600, stat.S_IMODE(file.stat().st_mode))

    def test_again_but_not_over_another_file(self):
        self.config('--output', str(self.file))
        self.nodes(stub.nodes()[:1])
        self.config('--output', str(self.file))
        self.assertNotIn('compute', self.file.read_text())
        self.file.write_text('Host *\n')
        _, err = self.config('--output', str(self.file), code=1)
        self.assertIn('was not written by this command', err)
        self.assertEqual('Host *\n', self.file.read_text())
        self.config('--output', str(self.home / 'no' / 'x'), code=1)

    def test_standard_output(self):
        out, _ = self.config('--user', 'root')
        self.assertIn('\n    User root\n', out)
        self.assertIn(f'{self.home}/cache/hpcdirect/known_hosts-id-demo',
                      out)

    def test_a_site_s_own_jump_host(self):
        self.nodes(stub.nodes(via='gate@jump.example:2200',
                              head='gate@jump.example:2200'))
        out, _ = self.config()
        self.assertEqual(
            3, out.count('    ProxyJump gate@[jump.example]:2200\n'))
        self.assertNotIn('ProxyJump demo', out)

    def test_inventory(self):
        self.config('--inventory', '--output', str(self.file),
                    '--identity', '/k')
        found = yaml.safe_load(self.file.read_text())['demo']
        self.assertEqual({'ansible_user': 'eve'}, found['vars'])
        self.assertEqual(['demo_head', 'demo_compute'],
                         list(found['children']))
        hosts = found['children']['demo_compute']['hosts']
        self.assertEqual(['compute-0.demo', 'compute-1.demo'], list(hosts))
        node = hosts['compute-0.demo']
        self.assertEqual(('10.0.0.5', 22),
                         (node['ansible_host'], node['ansible_port']))
        words = shlex.split(node['ansible_ssh_common_args'])
        self.assertIn('HostKeyAlias=hpcdirect-id-demo-compute-0', words)
        self.assertIn('/k', words)
        inner = shlex.split(words[-1].partition('=')[2])
        self.assertEqual(['-p', '2222', '-l', 'eve', '192.0.2.1'],
                         inner[-5:])
        self.assertIn('HostKeyAlias=hpcdirect-id-demo-head-0', inner)

    def test_ansible_reads_it(self):
        if not shutil.which('ansible-inventory'):
            self.skipTest('needs ansible')
        file = self.home / 'inventory.yaml'
        self.config('--inventory', '--output', str(file))
        self.stub.answer('GET', '/clusters/demo', stub.cluster(
            'the-other', id='id-demo'))
        self.stub.answer('GET', '/clusters/id-demo/users', {
            'users': [stub.user('joe')]})
        other = self.home / 'other.yaml'
        self.config('--inventory', '--output', str(other))
        done = subprocess.run(
            ['ansible-inventory', '-i', str(file), '-i', str(other),
             '--list'], capture_output=True, text=True, check=True)
        self.assertEqual('', done.stderr)
        found = json.loads(done.stdout)
        hosts = found['_meta']['hostvars']
        self.assertEqual(
            {f'{node}.{cluster}': user for cluster, user in (
                ('demo', 'eve'), ('the-other', 'joe'))
             for node in ('head-0', 'compute-0', 'compute-1')},
            {name: values['ansible_user'] for name, values in hosts.items()})
        self.assertEqual(['compute-0.the-other', 'compute-1.the-other'],
                         found['the_other_compute']['hosts'])

    def test_nothing_is_up(self):
        self.nodes(stub.nodes()[-1:])
        _, err = self.config(code=1)
        self.assertIn('none of its nodes is up', err)

    def test_nothing_strange(self):
        nodes = stub.nodes()
        for key, value in (('host', 'h\n    ProxyCommand x'),
                           ('host', '{{ lookup("pipe", "id") }}'),
                           ('host_key', 'x'), ('via', 'a@h h')):
            nodes[1]['ssh'] = {**stub.nodes()[1]['ssh'], key: value}
            self.nodes(nodes)
            for kind in ('--ssh', '--inventory'):
                out, err = self.config(kind, code=1)
                self.assertEqual('', out)
                self.assertIn('ssh should see', err)
