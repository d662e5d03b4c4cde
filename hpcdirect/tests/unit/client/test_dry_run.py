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

"""Every command that changes something can say what it would do."""

import importlib.metadata

from hpcdirect.tests.unit.client import keystone
from hpcdirect.tests.unit.client import stub
from hpcdirect.tests.unit.client import test_changes
from hpcdirect.tests.unit.client import test_plans

#: Last word of a command -> it changes nothing.
READS = ('list', 'show', 'log', 'validate', 'export', 'test', 'ssh', 'open',
         'config', 'diff', 'check', 'progress', 'topology')
#: Command -> how it is called.
CALLS = {
    'cluster create': 'demo --blueprint slurm',
    'cluster set': 'demo --name new',
    'cluster update': 'demo --parameter x=1',
    'cluster scale': 'demo --group compute=3',
    'cluster retry': 'demo', 'cluster repair': 'demo',
    'cluster cancel': 'demo', 'cluster delete': 'demo --yes',
    'cluster rollback': 'demo 1', 'cluster upgrade': 'demo --to 1.1.0',
    'cluster clone': 'demo other', 'cluster element add': 'demo munge',
    'cluster element set': 'demo slurm --parameter x=1',
    'cluster element remove': 'demo slurm',
    'cluster group add': 'demo special --count 2',
    'cluster group remove': 'demo compute',
    'node replace': 'demo compute-0',
    'user create': 'demo bob', 'user set': 'demo ann --sudo',
    'user delete': 'demo ann',
    'project enable': '', 'project disable': '--force'}


class DryRunTest(test_changes.ChangeTest):

    def setUp(self):
        super().setUp()
        self.stub.answer('POST', '/plans', test_plans.PLAN)
        self.stub.answer('GET', '/clusters/demo', stub.cluster(
            node_groups=[*stub.cluster()['node_groups'], {
                'name': 'special', 'count': 0, 'ready': 0, 'slots': []}]))
        self.stub.answer('GET', '/clusters/demo/users', {
            'users': [stub.user('ann')]})
        self.stub.answer('GET', '/clusters/demo/users/ann',
                         stub.user('ann'))
        self.keystone = self.useFixture(keystone.Keystone(self.stub.url))
        self.stub.answer('GET', '/projects/p-lab', {
            'id': 'p-lab', 'enabled': True, 'role': 'member', 'reason': '',
            'service_user': {'id': 'u-hpc', 'name': 'hpcdirect',
                             'domain_id': 'default'}, 'backends': ['heat']})

    def test_every_verb(self):
        there = {' '.join(entry.name.split('_')[1:]) for entry in
                 importlib.metadata.entry_points(
                     group='openstack.hpc_cluster.v1')}
        verbs = {name for name in there if name.split()[-1] not in READS}
        self.assertEqual(verbs, set(CALLS))
        for name, words in CALLS.items():
            with self.subTest(name):
                self.stub.seen.clear()
                if name.startswith('project'):
                    self.clouds(**self.keystone.cloud('admin'))
                grants = set(self.keystone.grants)
                out, err = self.hpc(*name.split(), *words.split(),
                                    '--dry-run')
                self.assertNotEqual('', out + err)
                self.assertEqual([], [
                    f'{method} {path}' for method, path, *_ in self.stub.seen
                    if method != 'GET' and path != '/plans'])
                self.assertEqual(grants, set(self.keystone.grants))

    def test_what_a_repair_would_do(self):
        for verb in ('repair', 'retry'):
            out, _ = self.hpc('cluster', verb, 'demo', '--dry-run')
            self.assertIn('in place: slurm', out)
            self.assertEqual({'cluster': 'demo', 'change': {}},
                             self.stub.bodies('POST')[-1])
        out, _ = self.hpc('cluster', 'delete', 'demo', '--dry-run')
        self.assertIn('in place: slurm', out)
        self.assertEqual({'cluster': 'demo', 'delete': True},
                         self.stub.bodies('POST')[-1])
