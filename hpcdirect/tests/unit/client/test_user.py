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

"""openstack hpc user ..."""

import datetime
import json
import subprocess

from hpcdirect.tests.unit.client import clock
from hpcdirect.tests.unit.client import stub
from hpcdirect.tests.unit.client import test_changes

ANN = {'name': 'ann', 'uid': 20001, 'gid': 20001, 'keys': [], 'groups': [],
       'shell': '/bin/bash', 'sudo': False, 'expires_at': None,
       'state': 'on', 'own': True}


class UserTest(test_changes.ChangeTest):

    def setUp(self):
        super().setUp()
        self.stub.answer('GET', '/clusters/demo/users', {'users': [ANN]})
        self.stub.answer('GET', '/clusters/demo/users/ann', ANN)
        self.stub.answer('GET', '/clusters/demo/users/tom',
                         stub.error(404, 'not_found', 'User tom'))

    def users(self, *argv):
        """What a command asks to be of users."""
        self.stub.seen.clear()
        self.hpc('user', *argv)
        body, = [body for *_, body in self.stub.seen if body]
        return body['users']

    def test_create(self):
        keys = self.home / 'keys'
        keys.write_text('# mine\nssh-ed25519 B b\n\n')
        self.assertEqual(
            {'bob': {'keys': ['ssh-rsa A', 'ssh-ed25519 B b'], 'uid': 2000,
                     'groups': ['lab', 'x'], 'shell': '/bin/sh',
                     'sudo': True,
                     'expires_at': '2027-01-31T12:00:00Z'}},
            self.users('create', 'demo', 'bob', '--public-key', 'ssh-rsa A',
                       '--key-file', str(keys), '--uid', '2000', '--group',
                       'lab', '--group', 'x', '--shell', '/bin/sh',
                       '--sudo', '--expires', '2027-01-31T12:00Z'))
        self.assertEqual({'bob': {}}, self.users('create', 'demo', 'bob'))
        # The first argument is a user then, where others may follow too.
        for words in (('--cluster', 'demo', 'bob'), ('bob', '--cluster=demo')):
            self.assertEqual({'bob': {}}, self.users('create', *words))
        self.assertEqual({'ann', 'bob'}, set(self.users(
            'delete', 'ann', 'bob', '--cluster', 'demo', '--home', 'keep')))

    def test_a_key_pair(self):
        """Nova is asked, with the caller's own credentials."""
        nova = f'{self.stub.url}/compute/v2.1'
        self.clouds(auth_type='http_basic', auth={
            'endpoint': self.stub.url, 'username': stub.USER,
            'password': stub.PASSWORD}, compute_endpoint_override=nova)
        self.stub.answer('GET', '/compute/v2.1', {'version': {
            'id': 'v2.1', 'status': 'CURRENT', 'version': '2.90',
            'min_version': '2.1', 'links': [{'rel': 'self', 'href': nova}]}})
        self.stub.answer('GET', '/compute/v2.1/os-keypairs/laptop', {
            'keypair': {'name': 'laptop',
                        'public_key': 'ssh-ed25519 N me\n'}})
        self.stub.answer('GET', '/compute/v2.1/os-keypairs/desk', (
            404, {'itemNotFound': {'message': 'none', 'code': 404}}))
        self.stub.answer('GET', '/compute/v2.1/os-keypairs',
                         {'keypairs': []})
        self.assertEqual({'bob': {'keys': ['ssh-ed25519 N me']}}, self.users(
            'create', 'demo', 'bob', '--keypair', 'laptop'))
        _, err = self.hpc('user', 'create', 'demo', 'bob', '--keypair',
                          'desk', code=1)
        self.assertIn('you have no such key pair', err)

    def test_dry_run(self):
        self.stub.answer('POST', '/plans', {
            'id': 'p1', 'cluster_id': 'id-demo', 'generation': 1,
            'refused': False, 'stale': '', 'seconds': 2.0, 'steps': [],
            'changes': [{
                'verdict': 'in place', 'subject': 'users', 'reason': '',
                'nodes': ['head-0'], 'out': 0, 'seconds': 2.0,
                'lost': ['/home/ann'], 'kept': []}]})
        out, err = self.hpc('user', 'delete', 'demo', 'ann', '--home',
                            'purge', '--dry-run')
        self.assertIn('in place: users on head-0 (2 s before), lost: '
                      '/home/ann', out)
        self.assertIn('--plan p1', err)
        self.assertEqual({'cluster': 'demo', 'change': {'users': {'ann': {
            'state': 'gone', 'home': 'purge', 'end_jobs': False}}}},
            self.stub.bodies('POST')[-1])
        self.assertEqual([], self.stub.bodies('PATCH'))

    def test_one_that_is_there(self):
        _, err = self.hpc('user', 'create', 'demo', 'ann', code=1)
        self.assertIn('hpc user set demo ann', err)

    def test_a_table(self):
        table = self.home / 'users.csv'
        table.write_text('name,key,groups,sudo,expires\n'
                         'bob,ssh-rsa A,"lab,x",yes,never\neve,,,,\n')
        self.assertEqual(
            {'bob': {'keys': ['ssh-rsa A'], 'groups': ['lab', 'x'],
                     'sudo': True, 'expires_at': None}, 'eve': {}},
            self.users('create', 'demo', '--from-csv', str(table)))

    def test_a_table_that_is_wrong(self):
        table = self.home / 'users.csv'
        for text, said in (
                ('nam\nbob\n', ':1: the first line names the columns'),
                ('name\nbob\nbob\n', ':3: bob is there twice'),
                ('name,uid\nbob,x\nann,\xb2\n', ':3: uid is not a number'),
                ('name,expires\nbob,soon\n', ':2: expires: soon is not a'),
                ('name,sudo\nbob,Y\neve,perhaps\n', ":3: sudo is 'perhaps'"),
                ('name,key\nbob,a,b\n', ':2: 3 cells for 2 columns'),
                ('name,key\nbob,"a"b\n', ':2: '),
                ('sep=;\nname;uid\nbob;x\n', ':3: uid is not a number'),
                ('name;name\nbob;x\n', 'each once'),
                ('name,key\nbob,-----BEGIN OPENSSH PRIVATE KEY-----\n',
                 ':2: key is a private key')):
            table.write_text(text)
            self.refused(table, said)
        for content, said in (
                (b'name\nb\xf6b\n', 'line 2 is not UTF-8'),
                (b'PK\x03\x04\x00', 'is a spreadsheet'),
                ('name\nbob\n'.encode('utf-16-le'), 'UTF-16 without'),
                (b'', 'the first line names')):
            table.write_bytes(content)
            self.refused(table, said)

    def test_all_that_is_wrong_with_a_table(self):
        table = self.home / 'users.csv'
        table.write_text('name,uid,sudo\nbob,x,maybe\n,1,no\n')
        err = self.refused(table, ':2: uid')
        self.assertIn(':2: sudo', err)
        self.assertIn(':3: no name', err)

    def refused(self, table, said):
        self.stub.seen.clear()
        _, err = self.hpc('user', 'create', 'demo', '--from-csv',
                          str(table), code=1)
        self.assertIn(said, err)
        self.assertEqual([], self.stub.seen)
        return err

    def test_tables_of_any_spreadsheet(self):
        table = self.home / 'users.csv'
        rows = [('Name', 'groups', 'SUDO'), ('bob', 'a,b', 'Y'),
                ('eve', 'a;b', 'Nein'[:1]), ('', '', '')]
        for delimiter in ',;\t|':
            text = '\r\n'.join(delimiter.join(
                f'"{cell}"' for cell in row) for row in rows)
            for encoding in ('utf-8', 'utf-8-sig', 'utf-16'):
                for head in ('', f'sep={delimiter}\r\n'):
                    table.write_bytes((head + text).encode(encoding))
                    self.assertEqual(
                        {'bob': {'groups': ['a', 'b'], 'sudo': True},
                         'eve': {'groups': ['a', 'b'], 'sudo': False}},
                        self.users('create', 'demo', '--from-csv',
                                   str(table)))

    def test_a_private_key_does_not_leave_this_machine(self):
        file = self.home / 'id_ed25519'
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f',
                        str(file)], check=True)
        for argv in (['--key-file', str(file)],
                     ['--public-key', 'ssh-rsa A', '--public-key',
                      file.read_text()]):
            for verb, name in (('create', 'bob'), ('set', 'ann')):
                self.stub.seen.clear()
                _, err = self.hpc('user', verb, 'demo', name, *argv, code=1)
                self.assertIn('is a private key', err)
                self.assertEqual([], [body for *_, body in self.stub.seen
                                      if body])
        file.with_suffix('.pub').write_bytes(
            b'\xef\xbb\xbf' + file.with_suffix('.pub').read_bytes())
        key, = self.users('create', 'demo', 'bob', '--key-file',
                          f'{file}.pub')['bob']['keys']
        self.assertTrue(key.startswith('ssh-ed25519 '))

    def test_options_between_arguments(self):
        self.assertEqual({'bob': {'sudo': True}}, self.users(
            'create', 'demo', '--sudo', 'bob'))
        self.assertEqual({'ann', 'bob'}, set(self.users(
            'delete', 'demo', 'ann', '--home', 'archive', 'bob')))

    def test_until_when_by_the_clock_here(self):
        self.useFixture(clock.InZone('Asia/Kolkata'))
        for text, found in (
                ('2027-01-31T12:00', '2027-01-31T06:30:00Z'),
                ('2027-01-31', '2027-01-30T18:30:00Z'),
                ('2027-01-31T12:00Z', '2027-01-31T12:00:00Z')):
            self.assertEqual({'ann': {'expires_at': found}}, self.users(
                'set', 'demo', 'ann', '--expires', text))

    def test_set(self):
        self.assertEqual(
            {'ann': {'sudo': False, 'state': 'off', 'expires_at': None}},
            self.users('set', 'demo', 'ann', '--no-sudo', '--off',
                       '--expires', 'never'))
        said = self.users('set', 'demo', 'ann', '--expires', '2d')
        soon = datetime.datetime.fromisoformat(said['ann']['expires_at'])
        left = soon - datetime.datetime.now(datetime.UTC)
        self.assertEqual(1, left.days)
        _, err = self.hpc('user', 'set', 'demo', 'tom', code=1)
        self.assertIn('User tom', err)

    def test_delete(self):
        gone = {'state': 'gone', 'home': 'purge', 'end_jobs': True}
        self.assertEqual({'ann': gone, 'bob': gone}, self.users(
            'delete', 'demo', 'ann', 'bob', '--home', 'purge', '--end-jobs'))

    def test_list_and_show(self):
        out, _ = self.hpc('user', 'list', 'demo', '-f', 'csv')
        self.assertIn('"ann",20001,"on"', out)
        # A service of before does not tell of nodes and fingerprints.
        out, _ = self.hpc('user', 'list', 'demo', '--long', '-f', 'json')
        self.assertEqual(('-', []), tuple(
            json.loads(out)[0][name] for name in ('Nodes', 'Fingerprints')))
        self.stub.answer('GET', '/clusters/demo/users', {
            'users': [stub.user('ann')]})
        out, _ = self.hpc('user', 'list', 'demo', '--long', '-f', 'json')
        self.assertEqual(('4/5', ['SHA256:abc']), tuple(
            json.loads(out)[0][name] for name in ('Nodes', 'Fingerprints')))
        out, _ = self.hpc('user', 'show', 'demo', 'ann', '-f', 'value',
                          '-c', 'uid')
        self.assertEqual('20001\n', out)
