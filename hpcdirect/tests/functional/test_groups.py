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

"""A group of nodes is put on a live cluster and taken off again."""

import os
import subprocess

import testtools

from hpcdirect.tests import public_keys
from hpcdirect.tests.functional import nodes
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import soak

#: A job that is there before, during and after.
LONG = "sbatch --parsable -p compute -o /dev/null --wrap 'sleep 900'"
SPECIAL = 'srun -p special -N2 hostname | sort'


@soak.in_turn('groups')
@testtools.skipIf(os.geteuid() != 0, 'machines need root')
class GroupsTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.service = self.useFixture(service.Service(
            backend='local', directories=(service.ROOT,),
            local={'network': '10.223.0.0/16'}))
        self.useFixture(nodes.Leftovers(self.service))
        self.service.start()

    def test_comes_and_goes(self):
        self.uuid = self.service.create(
            'demo', 'slurm', compute_count=1, users=[
                {'name': 'alice', 'keys': [public_keys.line('alice')]}]
            )['id']
        self.rest()
        job = self.as_alice(LONG).strip()
        for _ in range(2):
            self.ask(node_groups={'special': {'count': 2}},
                     parameters={'special_memory': 1024})
            self.assertEqual('special-0\nspecial-1\n', self.as_alice(
                SPECIAL))
            done = self.ask(node_groups={'special': {'count': 0}})
            self.assertIn('release', {step['kind'] for step
                                      in done['steps']})
            self.assertEqual('compute-0\n', self.as_alice(
                'sinfo -h -N -o %N | sort -u'))
            self.assertEqual('compute-0 R 0', self.as_alice(
                f'squeue -h -j {job} -o "%N %t $(scontrol show job {job} '
                '| grep -o Restarts=. | cut -d= -f2)"').strip())
        refused = self.service.call('PATCH', '/v1/clusters/demo', {
            'node_groups': {'compute': {'count': 0}}})
        self.assertEqual(400, refused.status, refused.text)

    def rest(self):
        cluster = self.service.settled('demo', 400)
        self.assertEqual('ACTIVE', cluster['status'],
                         cluster['status_reason'])
        return cluster

    def ask(self, **body):
        """Change something and wait; the deployment that did it."""
        answer = self.service.call('PATCH', '/v1/clusters/demo', body)
        self.assertEqual(202, answer.status, answer.text)
        return self.service.get(
            f'/v1/deployments/{self.rest()["deployment"]["id"]}')

    def as_alice(self, command):
        """What a command prints that she gives on the head."""
        machine = nodes.Machine(self.service, self.uuid, 'head-0')
        done = subprocess.run(
            ['nsenter', '-t', str(machine.init()), '--all', 'runuser', '-l',
             'alice', '-c', command], capture_output=True, text=True,
            timeout=180)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout
