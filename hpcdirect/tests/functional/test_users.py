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

"""People on a cluster that works: real machines, real ssh, real jobs."""

import os
import pathlib
import subprocess

import fixtures
import testtools

from hpcdirect.tests.functional import nodes
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import soak

NODES = ('head-0', 'compute-0', 'compute-1')
USERS = '/v1/clusters/demo/users'


@soak.in_turn('users')
@testtools.skipIf(os.geteuid() != 0, 'machines need root')
class UsersTest(testtools.TestCase):
    """The sections stand in the order in which they were cheapest."""

    def setUp(self):
        super().setUp()
        self.service = self.useFixture(service.Service(
            backend='local', local={'network': '10.224.0.0/16'}))
        self.useFixture(nodes.Leftovers(self.service))
        self.service.start()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.public = {name: self.keygen(name)
                       for name in ('alice', 'first', 'second', 'own')}

    def keygen(self, name):
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C',
                        name, '-f', self.folder / name], check=True)
        return (self.folder / name).with_suffix('.pub').read_text().strip()

    def test_people_come_and_go(self):
        self.uuid = self.service.create(
            compute_count=2, monitoring=False, accounting=True, users=[{
                'name': 'alice', 'sudo': True,
                'keys': [self.public['alice']]}])['id']
        self.settled()
        self.assertEqual('0\n', self.ssh('alice', 'alice', 'sudo -n id -u'))
        alice = self.session('alice', 'alice')
        self.comes()
        self.another_key()
        self.switched_off()
        self.goes_and_jobs_run_on()
        self.goes_with_all()
        self.leaves_the_blueprints_list(alice)

    # -- sections ---------------------------------------------------------

    def comes(self):
        """The same everywhere, and an administrator."""
        self.changed('POST', '', {
            'name': 'bob', 'sudo': True, 'groups': ['lab'],
            'keys': [self.public['first'], self.public['second']]})
        self.assertEqual({'users', 'slurm-accounting'}, self.touched)
        self.uid = self.service.get(f'{USERS}/bob')['uid']
        said = {self.ssh('bob', 'first', f'ssh {name} "id -u; id -G -n"')
                for name in NODES}
        self.assertEqual({f'{self.uid}\nbob lab\n'}, said)
        self.assertEqual('0\n', self.ssh('bob', 'second', 'sudo -n id -u'))
        self.assertIn('bob', self.accounted())

    def another_key(self):
        """One key less; nothing but the layer of users is touched."""
        self.changed('PATCH', '/bob', {'keys': [self.public['second']],
                                       'sudo': False})
        self.assertEqual({'users'}, self.touched)
        self.assertRefused('bob', 'first')
        self.assertEqual('bob\n', self.ssh('bob', 'second', 'whoami'))
        self.assertNotEqual(0, self.run_as(
            'bob', 'second', 'sudo -n true').returncode)

    def switched_off(self):
        """Nobody gets in, whoever is in is put out, jobs run on."""
        self.ssh('bob', 'second', 'cat >> ~/.ssh/authorized_keys; '
                 'echo mine > file', self.public['own'] + '\n')
        self.assertEqual('bob\n', self.ssh('bob', 'own', 'whoami'))
        job = self.submit()
        session = self.session('bob', 'second')
        self.changed('PATCH', '/bob', {'state': 'off'})
        self.assertEqual({'users'}, self.touched)
        self.assertNotEqual(0, session.wait(30))
        for key in ('second', 'own'):
            self.assertRefused('bob', key)
        self.assertEqual('RUNNING', self.job(job))
        self.changed('PATCH', '/bob', {'state': 'on'})
        self.assertEqual('mine\n', self.ssh('bob', 'own', 'cat file'))

    def goes_and_jobs_run_on(self):
        """Off every node, the home kept for later, the job not ended."""
        job = self.job_of_bob
        session = self.session('bob', 'second')
        self.changed('DELETE', '/bob?home=archive', None)
        self.assertNotEqual(0, session.wait(30))
        self.nowhere('bob')
        self.assertEqual('mine\n', self.archived('bob.tar.gz'))
        self.assertEqual('RUNNING', self.job(job))
        self.assertIn('bob', self.accounted())

    def goes_with_all(self):
        """The same id again; this time the jobs are ended as well."""
        self.changed('POST', '', {'name': 'bob',
                                  'keys': [self.public['first']]})
        self.assertEqual(self.uid, self.service.get(f'{USERS}/bob')['uid'])
        self.ssh('bob', 'first', 'echo again > file')
        self.changed('DELETE', '/bob?home=archive&end_jobs=true', None)
        self.nowhere('bob')
        self.assertEqual(('again\n', 'mine\n'), (
            self.archived('bob.tar.gz'), self.archived('bob.1.tar.gz')))
        self.assertNotIn('bob', self.accounted())
        self.assertEqual('', self.on('head-0').run('squeue', '-h'))

    def leaves_the_blueprints_list(self, session):
        """Whom the blueprint's parameter lists no more is remembered."""
        self.assertIsNone(session.poll())
        uid = self.service.get(f'{USERS}/alice')['uid']
        self.changed('PATCH', '', {'parameters': {'users': []}},
                     '/v1/clusters/demo')
        self.assertNotEqual(0, session.wait(30))
        answer = self.service.call('POST', USERS, {'name': 'eve',
                                                   'uid': uid})
        self.assertEqual(400, answer.status, answer.text)
        self.assertIn('or was, the id of alice', answer.text)

    # -- the service ------------------------------------------------------

    def settled(self):
        cluster = self.service.settled('demo', seconds=900)
        self.assertEqual('ACTIVE', cluster['status'],
                         cluster['status_reason'])
        self.login = cluster['login']

    def changed(self, method, path, body, base=USERS):
        """Change something and wait; ``touched`` are the elements run."""
        marker = self.service.events(self.uuid)[-1]['id']
        answer = self.service.call(method, base + path, body)
        self.assertEqual(202, answer.status, answer.text)
        self.settled()
        self.touched = {
            event['element'] for event in self.service.events(self.uuid)
            if event['id'] > marker and event['kind'] == 'task'}

    # -- the machines -----------------------------------------------------

    def on(self, name):
        return nodes.Machine(self.service, self.uuid, name)

    def words(self, user, key, command):
        address, port = self.login['address'], self.login['port']
        known = self.folder / 'known_hosts'
        name = address if port == 22 else f'[{address}]:{port}'
        known.write_text(f'{name} {self.login["host_key"]}\n')
        options = (
            f'UserKnownHostsFile={known}', 'GlobalKnownHostsFile=/dev/null',
            'StrictHostKeyChecking=yes', 'BatchMode=yes',
            'IdentitiesOnly=yes', 'IdentityAgent=none')
        return ['ssh', '-F', '/dev/null', '-i', self.folder / key,
                '-p', str(port),
                *(word for option in options for word in ('-o', option)),
                f'{user}@{address}', command]

    def run_as(self, user, key, command, text=''):
        return subprocess.run(
            self.words(user, key, command), input=text, text=True,
            capture_output=True, timeout=120)

    def ssh(self, user, key, command, text=''):
        """What a shell command prints at the login node."""
        done = self.run_as(user, key, command, text)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done.stdout

    def session(self, user, key):
        """A session that is open until somebody ends it."""
        found = subprocess.Popen(
            self.words(user, key, 'echo in; sleep 3600'), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(found.stdout.close)
        self.addCleanup(found.kill)
        self.assertEqual('in\n', found.stdout.readline())
        return found

    def assertRefused(self, user, key):
        done = self.run_as(user, key, 'true')
        self.assertEqual(255, done.returncode, done.stdout + done.stderr)

    def submit(self):
        """A job of bob's that does not end by itself, and runs."""
        self.job_of_bob = self.ssh(
            'bob', 'own', 'sbatch --parsable -o /dev/null --wrap '
            '"srun touch begun; srun sleep 3600"').strip()
        self.ssh('bob', 'own', 'until [ -e begun ]; do sleep 0.2; done')
        return self.job_of_bob

    def job(self, number):
        """How a job stands."""
        return self.on('head-0').run('squeue', '-h', '-j', number, '-o',
                                     '%T').strip()

    def accounted(self):
        """Who has an account in Slurm."""
        return self.on('head-0').run(
            'sacctmgr', '-nP', 'list', 'assoc', 'account=users',
            'format=user').split()

    def archived(self, name):
        return self.on('head-0').run('tar', '-xzOf', f'/home/.gone/{name}',
                                     'bob/file')

    def nowhere(self, name):
        """Neither account nor keys nor home, on any node."""
        for node in NODES:
            self.assertNotIn(name, self.on(node).run(
                'sh', '-c', 'getent passwd; getent group; '
                'ls -A /home /etc/ssh/users'))
