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

"""ssh with the host keys that the service knows."""

import os
import pathlib
import shlex
import stat

from hpcdirect.client.osc import ssh
from hpcdirect.tests.unit.client import base
from hpcdirect.tests.unit.client import stub

#: Stands in for ssh: keeps its arguments and the known hosts, exits with 7.
FAKE = '''#!/bin/sh
for word in "$@"; do
    echo "arg $word"
    case "$word" in UserKnownHostsFile=*)
        ls -ld "$(dirname "${word#*=}")"; cat "${word#*=}";;
    esac
done >> "$HOME/seen"
exit 7
'''


class SshTest(base.ClientTest):

    def setUp(self):
        super().setUp()
        self.stub.answer('GET', '/clusters/demo', stub.cluster())
        self.stub.answer('GET', '/clusters/demo/nodes/compute-0', {
            'id': 'n', 'name': 'compute-0', 'status': 'UP',
            'ssh': {'host': '10.0.0.5', 'port': 22, 'user': 'root',
                    'via': 'root@192.0.2.1:2222',
                    'host_key': 'ssh-ed25519 NodeKey'}})

    def printed(self, *argv):
        code, out, err = self.openstack(
            'hpc', 'cluster', 'ssh', 'demo', '--print-only', *argv)
        self.assertEqual(0, code, err)
        return shlex.split(out)

    def test_print_only(self):
        words = self.printed('--', 'ls', '-l', '--help', 'a b')
        self.assertEqual('ssh', words[0])
        self.assertIn('StrictHostKeyChecking=yes', words)
        self.assertEqual(['-p', '2222', '-l', 'eve', '192.0.2.1', '--',
                          "ls -l --help 'a b'"], words[-7:])
        file = pathlib.Path(words[2].partition('=')[2])
        self.assertEqual(f'[192.0.2.1]:2222 {stub.KEY}\n',
                         file.read_text())
        self.assertEqual(0o700, stat.S_IMODE(file.parent.stat().st_mode))
        self.assertEqual(['GET /clusters/demo'], self.stub.requests())

    def test_node_behind_the_login_node(self):
        words = self.printed('--node', 'compute-0', '--login-user', 'root',
                             '--identity', '~/key', '--', 'hostname')
        self.assertEqual(['-p', '22', '-l', 'root', '10.0.0.5', '--',
                          'hostname'], words[-7:])
        self.assertIn(f'{os.environ["HOME"]}/key', words)
        proxy = next(word for word in words
                     if word.startswith('ProxyCommand='))
        inner = shlex.split(proxy.partition('=')[2])
        self.assertEqual(
            ['-W', '[%h]:%p', '-p', '2222', '-l', 'root', '192.0.2.1'],
            inner[-7:])
        self.assertIn('StrictHostKeyChecking=yes', inner)
        file = pathlib.Path(words[2].partition('=')[2])
        self.assertEqual(
            f'10.0.0.5 ssh-ed25519 NodeKey\n[192.0.2.1]:2222 {stub.KEY}\n',
            file.read_text())

    def test_run(self):
        fake = self.home / 'ssh'
        fake.write_text(FAKE)
        fake.chmod(0o755)
        path = os.environ['PATH']
        os.environ['PATH'] = f'{self.home}:{path}'
        self.addCleanup(os.environ.__setitem__, 'PATH', path)
        code, _, _ = self.openstack('hpc', 'cluster', 'ssh', 'demo', '--',
                                    'squeue | wc -l')
        self.assertEqual(7, code)
        seen = (self.home / 'seen').read_text()
        self.assertIn(f'[192.0.2.1]:2222 {stub.KEY}', seen)
        self.assertIn('drwx------', seen)
        self.assertIn('arg squeue | wc -l', seen)
        file = seen.partition('UserKnownHostsFile=')[2].splitlines()[0]
        self.assertFalse(pathlib.Path(file).exists())

    def test_not_up(self):
        self.stub.answer('GET', '/clusters/demo', stub.cluster(
            login=None, status='CREATING'))
        code, _, err = self.openstack('hpc', 'cluster', 'ssh', 'demo')
        self.assertEqual(1, code)
        self.assertIn('Cluster demo is CREATING: its login node is not up',
                      err)

    def test_via(self):
        for text, parts in (
                ('root@h:2', ('root', 'h', 2)), ('h', ('', 'h', 22)),
                ('a@::1', ('a', '::1', 22)),
                ('a@[::1]:5', ('a', '::1', 5))):
            self.assertEqual(dict(zip(('user', 'address', 'port'), parts,
                                      strict=True)), ssh._via(text))

    def test_default_user(self):
        self.assertEqual('', ssh._user({}))
        self.assertEqual('ann', ssh._user({'users': [{'name': 'ann'}]}))
