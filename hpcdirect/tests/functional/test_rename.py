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

"""A cluster is called otherwise, and every verb goes on as before.

Slurm and its accounting keep state under the name that the cluster was made
with, and refuse to start under another.
"""

import os
import subprocess

import testtools

from hpcdirect.tests import public_keys
from hpcdirect.tests.functional import nodes
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import soak

#: A job that has ended; its number, and how accounting knows it.
JOB = """\
job=$(sbatch --parsable --wait -o /dev/null --wrap 'srun hostname') || exit
until [ "$(sacct -nPX -j $job -o state)" = COMPLETED ]; do sleep 0.2; done
sacct -nPX -j $job -o cluster,user,state
"""


@soak.only
@testtools.skipIf(os.geteuid() != 0, 'machines need root')
class RenameTest(testtools.TestCase):

    name = 'first'

    def setUp(self):
        super().setUp()
        self.service = self.useFixture(service.Service(
            backend='local', local={'network': '10.226.0.0/16'}))
        self.useFixture(nodes.Leftovers(self.service))
        self.service.start()
        self.uuid = self.service.create(
            self.name, compute_count=1, accounting=True, monitoring=False,
            users=[{'name': 'alice', 'keys': [public_keys.line('alice')]}]
            )['id']
        self.works()

    def test_every_verb(self):
        # The name on the nodes stays as it was, also after a second one.
        for self.name in ('second', 'third'):
            self.call('PATCH', '', {'name': self.name}, 200)
            self.works()
        generation = self.cluster()['generation']
        for title, method, path, body in (
                ('retry', 'POST', '/deployments', {'operation': 'retry'}),
                ('check', 'POST', '/deployments', {'operation': 'check'}),
                ('more nodes', 'PATCH', '',
                 {'parameters': {'compute_count': 2}}),
                ('a layer', 'PATCH', '',
                 {'elements': {'environment-modules': {}}}),
                ('no layer', 'PATCH', '',
                 {'elements': {'environment-modules': None}}),
                ('a parameter', 'PATCH', '',
                 {'parameters': {'max_time': 60}}),
                ('a user', 'POST', '/users', {
                    'name': 'bob', 'keys': [public_keys.line('bob')]}),
                ('a user off', 'PATCH', '/users/bob', {'state': 'off'}),
                ('no user', 'DELETE', '/users/bob', None),
                ('another machine', 'PATCH', '',
                 {'node_groups': {'compute': {'replace': ['compute-0']}}}),
                ('as it was', 'PATCH', '', {'generation': generation})):
            self.call(method, path, body)
            self.works(title)
        self.repaired()
        self.accounting_comes_again()
        self.call('DELETE', '', None)
        self.assertIsNone(self.service.settled(self.name))
        self.assertEqual([], nodes.left(self.service))

    def repaired(self):
        """What was damaged is found and mended."""
        self.run_on('head-0', 'echo "# by hand" >> /etc/slurm/slurm.conf')
        self.call('POST', '/deployments', {'operation': 'check'})
        self.assertEqual('ERROR', self.rest()['status'])
        self.call('POST', '/deployments', {'operation': 'repair'})
        self.works('repair')

    def accounting_comes_again(self):
        """Its records stand under the first name."""
        self.call('PATCH', '', {'parameters': {'accounting': False}})
        self.rest()
        self.call('PATCH', '', {'parameters': {'accounting': True}})
        self.works('accounting again')

    def works(self, title='create'):
        """It is at rest, runs a job, and accounts for it as ever."""
        cluster = self.rest()
        self.assertEqual('ACTIVE', cluster['status'],
                         f'{title}: {cluster["status_reason"]}')
        self.assertEqual('first|alice|COMPLETED\n', self.run_on(
            'head-0', f"runuser -l alice <<'JOB'\n{JOB}JOB\n"), title)
        self.assertEqual('first\n', self.run_on(
            'head-0', 'sacctmgr -nP list cluster format=cluster'), title)

    # -- the service and its machines -------------------------------------

    def cluster(self):
        return self.service.get(f'/v1/clusters/{self.name}')

    def rest(self):
        return self.service.settled(self.name, seconds=600)

    def call(self, method, path, body, status=202):
        answer = self.service.call(
            method, f'/v1/clusters/{self.uuid}{path}', body)
        self.assertEqual(status, answer.status, answer.text)

    def run_on(self, node, script):
        """What a script prints on a machine, as root."""
        machine = nodes.Machine(self.service, self.uuid, node)
        done = subprocess.run(
            ['nsenter', '-t', str(machine.init()), '--all', 'bash', '-c',
             script], capture_output=True, text=True, timeout=300)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done.stdout
