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

import getpass
import os
import pathlib
import shlex
import socket
import stat

from hpcdirect.client import places
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
        self.nodes()

    def nodes(self, **changes):
        self.stub.answer('GET', '/clusters/id-demo/nodes', {
            'nodes': stub.nodes(**changes), 'links': []})

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
        self.assertEqual(f'hpcdirect-id-demo-head-0 {stub.KEY}\n',
                         self.known(words))
        self.assertIn('HostKeyAlias=hpcdirect-id-demo-head-0', words)
        folder = self.home / 'cache' / 'hpcdirect'
        self.assertEqual(0o700, stat.S_IMODE(folder.stat().st_mode))
        self.assertEqual(['GET /clusters/demo', 'GET /clusters/id-demo/users'],
                         self.stub.requests())

    def test_node_behind_the_login_node(self):
        words = self.printed('--node', 'compute-0', '--login-user', 'root',
                             '--identity', '~/key', '--', 'hostname')
        self.assertEqual(['-p', '22', '-l', 'root', '10.0.0.5', '--',
                          'hostname'], words[-7:])
        self.assertIn(f'{os.environ["HOME"]}/key', words)
        self.assertEqual(
            ['-W', '[%h]:%p', '-p', '2222', '-l', 'root', '192.0.2.1'],
            self.inner(words)[-7:])
        self.assertIn('StrictHostKeyChecking=yes', self.inner(words))
        self.assertIn('HostKeyAlias=hpcdirect-id-demo-head-0',
                      self.inner(words))
        self.assertIn('HostKeyAlias=hpcdirect-id-demo-compute-0', words)
        self.assertEqual(
            'hpcdirect-id-demo-compute-0 ssh-ed25519 Node0\n'
            f'hpcdirect-id-demo-head-0 {stub.KEY}\n', self.known(words))
        # What was printed before is not spoiled by what is printed now.
        self.printed('--node', 'compute-1')
        self.assertEqual(3, self.known(words).count('\n'))

    def inner(self, words):
        proxy = next(word for word in words
                     if word.startswith('ProxyCommand='))
        return shlex.split(proxy.partition('=')[2])

    def known(self, words):
        file = next(word for word in words
                    if word.startswith('UserKnownHostsFile='))
        return pathlib.Path(file.partition('=')[2]).read_text()

    def test_on_the_way_people_are_themselves(self):
        words = self.printed('--node', 'compute-0')
        self.assertEqual(['-l', 'eve', '10.0.0.5'], words[-3:])
        self.assertEqual(['-l', 'eve', '192.0.2.1'],
                         self.inner(words)[-3:])

    def test_a_site_s_own_jump_host(self):
        self.stub.answer('GET', '/clusters/demo', stub.cluster(login={
            'node': 'head-0', 'group': 'head', 'address': '10.0.0.4',
            'port': 22, 'via': 'gate@jump.example:2200',
            'host_key': stub.KEY}))
        self.nodes(head='gate@jump.example:2200', host='10.0.0.4', port=22)
        words = self.printed()
        self.assertEqual(['ssh', '-W', '[%h]:%p', '-p', '2200', '-l', 'gate',
                          'jump.example'], self.inner(words))
        self.assertIn('HostKeyAlias=hpcdirect-id-demo-head-0', words)

    def opened(self, value, *argv, **more):
        self.stub.answer('GET', '/clusters/demo', stub.cluster(
            titled_outputs=[{**stub.PAGES[0], 'value': value, **more},
                            stub.PAGES[1]]))
        return self.openstack('hpc', 'cluster', 'open', 'demo',
                              '--print-only', *argv)

    def test_a_page_through_a_tunnel(self):
        for value, there, path in (
                ('http://10.0.0.4:9090/graph?a=b', '[10.0.0.4]:9090',
                 '/graph?a=b'),
                ('https://10.0.0.4', '[10.0.0.4]:443', ''),
                ('http://[fd00::4]/', '[fd00::4]:80', '/')):
            code, out, err = self.opened(value, '--port', '9999')
            self.assertEqual(0, code, err)
            words = shlex.split(out)
            self.assertEqual(f'127.0.0.1:9999:{there}',
                             words[words.index('-L') + 1])
            self.assertIn('StrictHostKeyChecking=yes', words)
            self.assertEqual(['-l', 'eve', '192.0.2.1'], words[-3:])
            scheme = value.partition(':')[0]
            self.assertIn(f'{scheme}://127.0.0.1:9999{path}\n', err)

    def test_no_page(self):
        for value in ('http://-oProxyCommand=x/', 'javascript:alert(1)',
                      'http://a b/', 'http://h:99999/', 'http://h:0/',
                      'ftp://h/', 'http:///x', 'http://[::1', ''):
            code, out, err = self.opened(value)
            self.assertEqual((1, ''), (code, out), value)
            self.assertIn('no address that a tunnel', err)
        for argv, more, words in (
                (['nix'], {}, 'Cluster demo has no page nix; its pages: '
                 'prometheus'),
                (['controller'], {}, 'no page controller'),
                ([], {'kind': 'text'}, 'its pages: none')):
            code, out, err = self.opened('http://h/', *argv, **more)
            self.assertEqual((1, ''), (code, out), argv)
            self.assertIn(words, err)
        code, out, err = self.opened('http://h/', '--port', '0')
        self.assertNotEqual(0, code)
        self.assertIn('0 is no port', err)
        with socket.create_server(('127.0.0.1', 0)) as others:
            port = str(others.getsockname()[1])
            code, out, err = self.opened('http://h/', '--port', port)
        self.assertEqual((1, ''), (code, out))
        self.assertIn(f'--port {port}: Address already in use', err)

    def test_nothing_strange_reaches_ssh(self):
        for login in ({'address': '-oProxyCommand=evil'},
                      {'address': 'a b'}, {'address': 'h\nHost *'},
                      {'host_key': 'ssh-ed25519 A\n* ssh-rsa B'},
                      {'host_key': '@cert-authority * ssh-rsa AAAA'},
                      {'node': '../x'}):
            self.stub.answer('GET', '/clusters/demo', stub.cluster(
                login={**stub.cluster()['login'], **login}))
            code, out, err = self.openstack(
                'hpc', 'cluster', 'ssh', 'demo', '--print-only')
            if login.get('host_key', '').startswith('ssh'):
                self.assertNotIn('* ssh-rsa', self.known(shlex.split(out)))
                continue
            self.assertEqual((1, ''), (code, out), login)
            self.assertIn('that ssh should see', err)
        self.stub.answer('GET', '/clusters/demo', stub.cluster())
        for via in ('-oProxyCommand=x', 'a@-oX', 'a b@h', '`x`@h'):
            self.nodes(via=via)
            code, out, err = self.openstack(
                'hpc', 'cluster', 'ssh', 'demo', '--print-only', '--node',
                'compute-0')
            self.assertEqual((1, ''), (code, out), via)
        code, out, err = self.openstack(
            'hpc', 'cluster', 'ssh', 'demo', '--print-only',
            '--login-user', '-oX')
        self.assertEqual((1, ''), (code, out))

    def test_no_such_node(self):
        code, _, err = self.openstack(
            'hpc', 'cluster', 'ssh', 'demo', '--node', 'gpu-0')
        self.assertEqual(1, code)
        self.assertIn('Cluster demo has no node gpu-0', err)

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
        self.assertIn(f'hpcdirect-id-demo-head-0 {stub.KEY}', seen)
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
            way = places._way(text, ())
            self.assertEqual(parts, (way.user, way.host, way.port))

    def test_default_user(self):
        place = places.Place('', 'h', user='debian')
        ann = stub.user('ann')
        for accounts, name in (
                ([], 'debian'), ([ann], 'ann'),
                ([ann, stub.user('tom', own=False)], 'tom'),
                ([stub.user('abe', state='off'), ann], 'ann'),
                ([ann, stub.user(getpass.getuser())], getpass.getuser()),
                ([ann, stub.user(getpass.getuser(), state='gone')], 'ann')):
            self.assertEqual(name, places.user(None, accounts, place))
        self.assertEqual('root', places.user('root', [ann], place))

    def test_users_of_the_cluster_not_of_its_parameters(self):
        """Who was made or taken off after the cluster was."""
        self.stub.answer('GET', '/clusters/id-demo/users', {
            'users': [stub.user('ann')]})
        self.assertIn('ann', self.printed())
        self.stub.seen.clear()
        self.assertIn('tom', self.printed('--user', 'tom'))
        self.assertEqual(['GET /clusters/demo'], self.stub.requests())
