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

"""Element users on a real node: what users can break, and what is noticed."""

from hpcdirect.tests import public_keys
from hpcdirect.tests.functional import soak
from hpcdirect.tests.functional import test_elements

NAMES = ('ann', 'bob', 'eve', 'ida', 'joe', 'kim', 'leo', 'max', 'tom', 'zoe')


@soak.in_turn('people')
class UsersElementTest(test_elements.Case):

    slots = ('node-0',)

    def setUp(self):
        super().setUp()
        self.users = [
            {'name': 'alice', 'sudo': True, 'groups': ['lab'],
             'keys': [public_keys.line('alice')]},
            *({'name': name, 'keys': [public_keys.line(name)]}
              for name in NAMES),
            {'name': 'off', 'state': 'off', 'keys': [
                public_keys.line('off')]}]
        self.cluster = self.make('single', users=[])
        self.cluster.parameters['users'] = self.users
        self.play(self.cluster, 'apply', 'users')

    def test_people_and_their_machine(self):
        """One after another: a machine takes its time to boot."""
        self.what_users_do_to_their_own()
        self.what_verify_notices()
        self.what_the_machine_has_already()

    def on(self, script):
        return self.ssh('node-0', script).stdout

    def verify(self):
        """What element users finds wrong; '' for nothing."""
        outcome = self.cluster.play('verify', ('users',))
        return outcome.output if outcome.code else ''

    def what_users_do_to_their_own(self):
        """None of it fails anything, nor keeps anybody else waiting."""
        for name, script in (
                ('ann', 'ssh-keygen -q -p -N secret -f ~/.ssh/id_ed25519'),
                ('bob', 'echo exit 1 > ~/.bashrc; cp ~/.bashrc ~/.profile'),
                ('eve', 'rm -rf ~/.ssh; touch ~/.ssh'),
                ('ida', 'rm ~/.ssh/id_ed25519; mkfifo ~/.ssh/id_ed25519'),
                ('joe', 'chmod 0 ~'),
                ('kim', 'rm -rf ~/.ssh; ln -s /nowhere ~/.ssh'),
                ('leo', 'chmod 777 ~ ~/.ssh; echo no > ~/.ssh/rc'),
                ('max', 'echo no > ~/.ssh/id_ed25519')):
            self.on(f"runuser -u {name} -- sh -c '{script}' 2>&1")
        self.assertEqual('', self.verify())
        for user in self.users[1:-1]:  # so that each is worked on again
            user['groups'] = ['lab']
        self.users[1]['shell'] = '/usr/sbin/nologin'
        self.play(self.cluster, 'apply', 'users')
        self.assertEqual('', self.verify())
        self.assertEqual((), self.play(self.cluster, 'apply',
                                       'users').changed)
        # Who is well gets in, with the other's files as they are.
        self.assertEqual('alice lab\n', self.on('id -Gn alice'))

    def what_verify_notices(self):
        """Each is a fault of its own, and all are told at once."""
        before = self.on('cat /etc/passwd')
        self.on('''set -e
            usermod -s /bin/false ann
            rm /etc/ssh/users/bob
            echo > /etc/ssh/users/eve
            chown ida /etc/ssh/users/ida
            chage -E 1 joe
            userdel kim
            chown root /home/leo
            usermod -u 4321 max
            gpasswd -d alice lab
            chage -E -1 off
            ''')
        said = self.verify()
        for fault in (
                'alice is not in group lab.', 'ann has the shell /bin/false',
                'bob has no file of keys', 'eve lacks a key',
                'users/ida can be written by others', 'joe is closed.',
                'joe is refused by PAM', 'kim has no account',
                'leo has a home that is not', 'max has the id 4321',
                'And 2 more.'):
            self.assertIn(fault, said)
        self.on('''set -e
            usermod -u $(stat -c %g /home/max) max
            chown leo /home/leo
            ''')
        self.play(self.cluster, 'apply', 'users')
        self.assertEqual('', self.verify())
        self.assertEqual(sorted(before.splitlines()),
                         sorted(self.on('cat /etc/passwd').splitlines()))
        site = '/etc/ssh/sshd_config.d/00-site.conf'
        for break_it, faults in (
                (f"""chmod 777 /etc/ssh/users
                     touch /etc/nologin
                     rm /etc/sudoers.d/hpcdirect
                     rm /etc/ssh/sshd_config.d/50-hpcdirect-users.conf
                     echo PubkeyAuthentication no > {site}""",
                 ('alice /etc/ssh/users can be written by others than root',
                  'alice cannot get in: sshd does not read /etc/ssh/users/',
                  'alice cannot get in: sshd takes no keys',
                  'alice is refused by PAM', 'alice may not become root')),
                (f"""printf 'Match User zoe\\nDenyUsers zoe\\n' > {site}
                     chage -E -1 off""",
                 ('zoe cannot get in: sshd lets only some users in',
                  'off is off and gets in')),
                (f'echo nonsense > {site}',
                 ('sshd does not take its configuration',))):
            self.on(f'cp -a /etc /kept; {break_it}')
            said = self.verify()
            self.on(f'rm -f /etc/nologin {site}; cp -a /kept/. /etc/; '
                    'rm -r /kept')
            for fault in faults:
                self.assertIn(fault, said)

    def what_the_machine_has_already(self):
        """All is told, and nothing was done."""
        self.check_names(self.cluster)
        before = self.on('cat /etc/passwd /etc/group')
        kept = list(self.users)
        self.on('groupadd -g 4567 site')
        self.users += [{'name': 'mail'}, {'name': 'new', 'uid': 65534},
                       {'name': 'staff'}, {'name': 'x', 'uid': 4567}]
        said = self.cluster.play('apply', ('users',))
        self.assertNotEqual(0, said.code)
        for fault in ('A user mail is there already',
                      'new would have the id 65534, which is that of nobody',
                      'A group staff is there already',
                      'Group x would have the id 4567'):
            self.assertIn(fault, said.output)
        self.on('groupdel site')
        self.assertEqual(before, self.on('cat /etc/passwd /etc/group'))
        # One whose id was never used may be given another one.
        self.users[:] = kept
        self.users[3]['uid'] = 4321
        self.on("runuser -u eve -- sh -c 'touch ~/file'")
        self.play(self.cluster, 'apply', 'users')
        self.assertEqual('', self.verify())
        self.assertEqual('4321 4321\n', self.on(
            'stat -c "%u %g" /home/eve/file'))
