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


"""Commands that put elements on and off, and what a change would do."""

import json

from hpcdirect.tests.unit.client import test_changes

PLAN = {
    'id': 'plan-1', 'cluster_id': 'id-demo', 'generation': 3,
    'refused': False, 'stale': '', 'seconds': None,
    'created_at': '2026-01-01T00:00:00Z',
    'differences': [
        {'kind': 'users', 'subject': 'ada', 'before': None,
         'after': {'sudo': True, 'groups': []}},
        {'kind': 'parameter', 'subject': 'threads', 'before': 2, 'after': 4}],
    'changes': [
        {'verdict': 'in place', 'subject': 'slurm', 'nodes': ['head-0'],
         'out': 0, 'reason': 'its inputs changed', 'lost': [], 'kept': [],
         'seconds': 12.4},
        {'verdict': 'replace node', 'subject': '', 'out': 8,
         'nodes': [f'compute-{n}' for n in range(8)], 'reason': '',
         'lost': ['/scratch'], 'kept': [], 'seconds': None}],
    'needs': [{'type': 'hpc', 'wanted': 5, 'free': 6, 'fits': True},
              {'type': 'gpu', 'wanted': 1, 'free': 0, 'fits': False},
              {'type': 'vm', 'wanted': 2, 'free': None, 'fits': None}],
    'quotas': [{'name': 'cores', 'used': 32, 'limit': 64, 'wanted': 16,
                'after': 48, 'fits': True},
               {'name': 'ports', 'used': 1, 'limit': None, 'wanted': 2,
                'after': 3, 'fits': True}],
    'steps': [{'kind': 'apply', 'element': 'slurm', 'nodes': ['head-0'],
               'reason': 'its inputs changed', 'seconds': 12.4}],
}


class ElementTest(test_changes.ChangeTest):

    def test_bodies(self):
        for words, said in (
                ('add demo hpcc', {'hpcc': {}}),
                ('add demo hpcc@1.2 --parameter threads=4',
                 {'hpcc': {'version': '1.2', 'parameters': {'threads': 4}}}),
                ('set demo hpcc --parameter threads=null '
                 '--role node=head,compute',
                 {'hpcc': {'parameters': {'threads': None},
                           'roles': {'node': ['head', 'compute']}}}),
                ('remove demo slurm hpcc', {'slurm': None, 'hpcc': None})):
            with self.subTest(words):
                self.assertEqual({'elements': said}, self.body(
                    'element', *words.split()))

    def test_a_role_without_groups(self):
        _, err = self.hpc('cluster', 'element', 'add', 'demo', 'hpcc',
                          '--role', 'node', code=1)
        self.assertIn('write <role>=<group>[,<group>]', err)

    def test_list(self):
        self.stub.answer('GET', '/clusters/demo/elements', {'elements': [
            {'name': 'slurm', 'version': '1.0.0', 'label': 'Slurm',
             'status': 'off', 'added': False, 'missing': [], 'requires': [],
             'roles': {'controller': ['head']}, 'own_parameters': {},
             'parameters': {}}]})
        out, _ = self.hpc('cluster', 'element', 'list', 'demo', '-f', 'json')
        self.assertEqual([{'Name': 'slurm', 'Version': '1.0.0',
                           'Status': 'off', 'Added': False,
                           'Roles': {'controller': ['head']}}],
                         json.loads(out))


class DryRunTest(test_changes.ChangeTest):

    def setUp(self):
        super().setUp()
        self.stub.answer('POST', '/plans', PLAN)

    def wish(self, *argv, code=0):
        """What is asked for; nothing is changed."""
        self.stub.seen.clear()
        out, err = self.hpc(*argv, '--dry-run', '-f', 'json', code=code)
        self.assertEqual(PLAN['changes'] if code == 0 else [],
                         json.loads(out)['changes'] if code == 0 else [])
        self.assertEqual(['POST /plans'],
                         self.stub.requests('POST', 'PATCH', 'DELETE'))
        return self.stub.bodies('POST')[0], err

    def test_every_command_that_changes(self):
        for words, change in (
                ('cluster update demo --parameter x=1',
                 {'parameters': {'x': 1}}),
                ('cluster scale demo --group compute=3',
                 {'node_groups': {'compute': {'count': 3}}}),
                ('node replace demo compute-0',
                 {'node_groups': {'compute': {'replace': ['compute-0']}}}),
                ('cluster element remove demo slurm',
                 {'elements': {'slurm': None}})):
            with self.subTest(words):
                body, err = self.wish(*words.split())
                self.assertEqual({'cluster': 'demo', 'change': change}, body)
                self.assertIn('--plan plan-1', err)

    def test_create(self):
        body, _ = self.wish('cluster', 'create', 'demo', '--blueprint',
                            'slurm')
        self.assertEqual({'create': {
            'name': 'demo', 'blueprint': 'slurm', 'parameters': {}}}, body)

    def test_for_people(self):
        out, _ = self.hpc('cluster', 'update', 'demo', '--parameter', 'x=1',
                          '--dry-run')
        for line in ('users ada: none -> sudo: true',
                     'parameter threads: 2 -> 4',
                     'in place: slurm on head-0 (12 s before); its inputs '
                     'changed',
                     'compute-5 and 2 more, 8 out at once, lost: /scratch',
                     'hpc: 5 of 6 free', 'gpu: 1 of 0 free, too many',
                     'vm: 2', 'cores: 32 and 16 more are 48 of 64',
                     'ports: 1 and 2 more are 3 of no limit',
                     'apply slurm on head-0 (12 s before)'):
            self.assertIn(line, ' '.join(out.replace('|', ' ').split()))

    def test_what_would_be_refused(self):
        self.stub.answer('POST', '/plans', {
            **PLAN, 'refused': True, 'steps': [], 'changes': [{
                **PLAN['changes'][0], 'verdict': 'refused',
                'subject': '$.parameters.x', 'reason': 'cannot be'}]})
        out, err = self.hpc('cluster', 'update', 'demo', '--parameter',
                            'x=1', '--dry-run', code=1)
        self.assertIn('refused: $.parameters.x: cannot be', out)
        self.assertIn('would be refused', err)

    def test_a_plan_is_carried_out(self):
        self.assertEqual({'plan': 'plan-1'},
                         self.body('update', 'demo', '--plan', 'plan-1'))

    def test_shown_again(self):
        self.stub.answer('GET', '/plans/plan-1', {
            **PLAN, 'stale': 'somebody was faster'})
        out, _ = self.hpc('plan', 'show', 'plan-1')
        self.assertIn('somebody was faster', out)
